"""A classifier is exchanged and everything else stays, whatever the network; cards follow."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from moviola import registry
from moviola.card import ModelCard
from moviola.model import RecognizerFamily
from moviola.recognition.heads import (
    card_for,
    head_entries,
    sized,
    standard,
    take_in,
    transplant,
)

NAMES = ("one", "two", "three")


def tiny(family: RecognizerFamily, card: ModelCard, folder) -> tuple[ModelCard, nn.Module]:
    """A small network of a family, whose card says so."""
    small = family.tiny(card, folder)
    torch.manual_seed(1)
    return small, family.network(small).eval()


def families() -> list[str]:
    """One recognizer of each family."""
    first: dict[str, str] = {}
    for card in registry.cards():
        if card.recognition is not None:
            first.setdefault(registry.family_of(card), card.id)
    return list(first.values())


@pytest.mark.parametrize("model", families())
def test_every_familys_network_takes_a_new_classifier_and_keeps_its_features(model, tmp_path):
    family, card = registry.find(model)
    assert isinstance(family, RecognizerFamily)
    small, trained = tiny(family, card, tmp_path)
    new = card_for(small, "mine", NAMES, scratch=False)
    fresh = family.network(new).eval()
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    transplant(trained, fresh)
    assert small.recognition is not None
    width, height = small.recognition.crop
    video = torch.randn(1, 3, small.recognition.frames, height, width)
    with torch.no_grad():
        assert torch.equal(fresh.features(video), trained.features(video))
        assert fresh(video).shape == (1, 3)
    heads = head_entries(fresh)
    assert len(heads) == 2
    for name in heads:
        assert torch.equal(fresh.state_dict()[name], before[name])
    for name, tensor in trained.state_dict().items():
        assert name in heads or torch.equal(fresh.state_dict()[name], tensor)
    assert sized(new, fresh).parts[0].parameters == sum(p.numel() for p in fresh.parameters())


class Deep(nn.Module):
    """A network that keeps its classifier deep inside, under another name."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 3)
        self.top = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, classes))

    @property
    def head(self) -> nn.Module:
        return self.top[1]


def test_the_classifier_is_found_wherever_it_lies():
    assert head_entries(Deep(2)) == {"top.1.weight", "top.1.bias"}
    assert torch.equal(transplant(old := Deep(5), Deep(2)).stem.weight, old.stem.weight)


@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_what_was_learnt_on_standardised_features_holds_for_plain_ones(seed, scale):
    random = np.random.default_rng(seed)
    spread = scale * random.uniform(0.1, 3, 6)
    rows = [(random.normal(size=(2, 6)) * spread + 5 * scale).astype(np.float32) for _ in range(5)]
    mean, deviation = standard(rows)
    learnt, head = nn.Linear(6, 3), nn.Linear(6, 3)
    take_in(head, learnt, mean, deviation)
    table = torch.from_numpy(np.concatenate(rows))
    wanted = learnt((table - torch.from_numpy(mean)) / torch.from_numpy(deviation))
    assert torch.allclose(head(table), wanted, atol=1e-4)


def test_standardised_features_have_mean_0_and_deviation_1():
    rows = [np.random.default_rng(seed).normal(7, 3, (3, 5)).astype(np.float32) for seed in range(40)]
    mean, deviation = standard(rows)
    table = (np.concatenate(rows) - mean) / deviation
    assert np.allclose(table.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(table.std(axis=0), 1, atol=1e-5)


def test_features_that_never_vary_are_not_blown_up():
    rows = [np.array([[index, 4.0]], np.float32) for index in range(10)]
    mean, deviation = standard(rows)
    assert deviation[1] == pytest.approx(0.01 * deviation.mean(), rel=0.02)
    assert np.isfinite((np.array([9, 4.01]) - mean) / deviation).all()
    assert np.isfinite(standard([np.full((2, 3), 7, np.float32)])[1]).all()


def test_the_card_forgets_what_is_the_published_classifiers_alone():
    _, card = registry.find("x3d-m")
    new = card_for(card, "mine", NAMES, scratch=False)
    facts = new.recognition
    assert facts is not None
    assert (new.id, facts.classes, facts.names, facts.labels) == ("mine", 3, NAMES, None)
    assert (facts.accuracy, facts.gmacs, facts.parameters_millions, new.weights) == ((), None, None, ())
    assert card.recognition is not None
    for kept in ("frames", "stride", "fps", "crop", "short_side", "mean", "std", "protocol"):
        assert getattr(facts, kept) == getattr(card.recognition, kept)
    assert new.network == card.network
    together = card.model_copy(update={"recognition": card.recognition.model_copy(update={"joined": True})})
    alone = card_for(together, "mine", NAMES, scratch=False).recognition
    assert alone is not None
    assert not alone.joined


def test_a_licence_goes_with_the_weights_and_not_with_the_shape():
    _, card = registry.find("x3d-m")
    strict = card.model_copy(update={"licence": "CC-BY-NC-4.0", "commercial": False})
    tuned, anew = (card_for(strict, "mine", NAMES, scratch=scratch) for scratch in (False, True))
    assert (tuned.licence, tuned.commercial) == ("CC-BY-NC-4.0", False)
    assert anew.commercial
    assert anew.licence != strict.licence
