"""Words for a look, only where asked for."""

from typing import get_args

import pytest

from moviola.presets import PRESETS, worded
from moviola.tasks import Generate


def test_without_a_preset_nothing_is_added():
    assert worded(None, "a lake", "fog") == ("a lake", "fog")
    assert worded(None, None, None) == (None, None)


@pytest.mark.parametrize("name", PRESETS)
def test_words_come_behind_what_was_said(name):
    prompt, negative = worded(name, "A lake.", None)
    assert prompt == f"A lake, {PRESETS[name].prompt}"
    assert negative == PRESETS[name].negative


def test_the_request_knows_every_preset():
    literal, _ = get_args(Generate.model_fields["preset"].annotation)
    assert set(get_args(literal)) == set(PRESETS)
