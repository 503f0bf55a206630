"""Stochastic depth: nothing but a scaled coin toss, and in training alone."""

from __future__ import annotations

import pytest
import torch

from moviola.nets.drop_path import DropPath, growing


def test_it_changes_nothing_outside_of_training() -> None:
    branch = torch.randn(3, 4, 5)
    assert DropPath(0.5).eval()(branch) is branch
    assert DropPath(0.0).train()(branch) is branch


def test_a_sample_is_left_out_whole_or_kept_whole_and_scaled_up() -> None:
    torch.manual_seed(0)
    branch = 1 + torch.rand(1000, 2, 3)
    factors = DropPath(0.25).train()(branch) / branch
    first = factors[:, :1, :1]
    torch.testing.assert_close(factors, first.expand_as(factors))
    left_out = first == 0
    torch.testing.assert_close(first[~left_out], torch.full_like(first[~left_out], 4 / 3))
    assert float(left_out.float().mean()) == pytest.approx(0.25, abs=0.05)


def test_rates_grow_evenly_from_nothing() -> None:
    assert [drop.rate for drop in growing(0.3, 4)] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [drop.rate for drop in growing(0.3, 1)] == [0]
