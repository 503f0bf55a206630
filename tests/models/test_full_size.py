"""Parameter counts on the cards are those of the published configurations, built without any memory."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from moviola import registry

FILES = sorted(Path(__file__).parent.glob("full_size_*.py"))
MODULES = [importlib.import_module(path.stem) for path in FILES]
NETWORKS: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    card: networks for module in MODULES for card, networks in module.NETWORKS.items()
}
CARDS = {card.id: card for card in registry.cards() if card.denoiser is not None}


# Millions of parameters as the authors publish them: AnimateDiff's README (the motion module in the U-Net);
# HunyuanVideo's, LTX-2's and SVD's code builds these, their papers round them.
PUBLISHED = {"hunyuanvideo": 12_821, "ltx2-19b": 18_876, "svd": 1_525, "cogvideox-5b": 5_570}


def denoisers(model: str) -> set[tuple[str, int]]:
    return {(part.name, part.parameters) for part in CARDS[model].parts if part.role == "denoiser"}


@pytest.mark.parametrize("model", CARDS)
def test_every_denoiser_on_a_card_is_built_here(model):
    built = {
        denoiser for other in NETWORKS for denoiser in denoisers(other) if denoiser[0] in NETWORKS[other]
    }
    assert denoisers(model) <= built


@pytest.mark.parametrize(("model", "millions"), PUBLISHED.items())
def test_cards_agree_with_what_is_published(model, millions):
    ((_, parameters),) = denoisers(model)
    assert parameters / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize(("model", "part"), [(m, part) for m, parts in NETWORKS.items() for part in parts])
def test_a_part_has_as_many_parameters_as_its_card_says(model, part):
    stated = {other.name: other.parameters for other in CARDS[model].parts}[part]
    with torch.device("meta"):
        network = NETWORKS[model][part]()
    counted = sum(parameter.numel() for parameter in network.parameters())
    assert counted == pytest.approx(stated, rel=0.01)
