"""InternVideo2's second stage: what is published, where it is, and how it is fed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.model import Setup
from moviola.models.internvideo2_stage2 import CARDS, _network, load, names, tiny
from moviola.plan.plan import Plan
from moviola.tasks import Search

KEYS = Path(__file__).parents[1] / "nets/recorded"
BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)
CPU = Plan(device="cpu", dtype="float32")


@every_card
def test_a_card_counts_its_parameters(card: ModelCard) -> None:
    with torch.device("meta"):
        made = _network(card)
    text = sum(value.numel() for name, value in made.named_parameters() if name.startswith("text_"))
    whole = sum(value.numel() for value in made.parameters())
    assert {part.name: part.parameters for part in card.parts} == {"vision": whole - text, "text": text}


@pytest.mark.parametrize(("size", "billions"), [("1b", 1.02), ("6b", 5.94)])
def test_the_encoder_is_that_of_the_classifiers(size: str, billions: float) -> None:
    """1021.0 and 5942.0 million with a classifier of 400."""
    vision = BY_ID[f"internvideo2-stage2-{size}"].parts[0]
    assert vision.parameters / 1e9 == pytest.approx(billions, rel=0.01)


@every_card
def test_it_is_fed_as_in_the_authors_test(card: ModelCard) -> None:
    facts = card.embedding
    assert facts is not None
    assert (facts.frames, facts.size, facts.text_tokens, facts.temperature) == (4, (224, 224), 40, 0.01)
    assert facts.width == (512 if card.id.endswith("1b") else 768)
    assert facts.mean == (0.485, 0.456, 0.406)
    assert facts.std == (0.229, 0.224, 0.225)


@every_card
def test_it_has_to_be_asked_for_and_may_be_used_for_anything(card: ModelCard) -> None:
    weights, tokenizer = card.weights
    assert weights.gated
    assert not tokenizer.gated
    assert card.commercial


@every_card
def test_that_figures_are_re_ranked_is_told(card: ModelCard) -> None:
    facts = card.embedding
    assert facts is not None
    assert all("re-ranked" in (score.setting or "") for score in facts.scores)
    assert "not done here" in card.facts["published figures"]


def test_the_default_for_search_is_free_to_use_and_small() -> None:
    default = Search.model_fields["model"].default
    assert BY_ID[default].commercial
    assert sum(part.parameters for part in BY_ID[default].parts) < 1.5e9


def test_bert_s_last_layers_and_what_only_training_needs_are_left_out() -> None:
    card = BY_ID["internvideo2-stage2-1b"]
    keys = json.loads((KEYS / "internvideo2-stage2-1b.keys.json").read_text())
    state = {name: torch.empty(shape, device="meta") for name, shape in keys.items()}
    kept = names(card, [state])
    assert "text_encoder.encoder.layer.18.output.dense.weight" in kept
    assert "text_encoder.encoder.layer.19.output.dense.weight" not in kept
    assert not any("crossattention" in name or "decoder" in name or "img_pos" in name for name in kept)
    assert kept.keys().isdisjoint({"temp", "itm_head.weight"})


def test_a_tiny_checkpoint_has_the_published_names_and_reads_back(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-stage2-1b"], tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    keys = json.loads((KEYS / "internvideo2-stage2-1b.keys.json").read_text())
    assert state.keys() <= keys.keys()

    embedder = load(card, Setup((tmp_path,), CPU, own=True))
    texts = embedder.texts(["a dog jumps", "a cat", "A DOG jumps."])
    assert texts.shape == (3, 16)
    assert texts[0] == pytest.approx(texts[2], abs=1e-6)
    assert texts[0] != pytest.approx(texts[1], abs=1e-3)


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-stage2-1b"], tmp_path)
    embedder = load(card, Setup((tmp_path,), CPU, own=True))
    long, longer = embedder.texts(["a " * 100, "a " * 100 + "b"])
    assert long == pytest.approx(longer, abs=1e-6)


def test_another_checkpoint_is_told_from_it_in_one_line(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-stage2-1b"], tmp_path)
    with pytest.raises(InputError, match="does not fit internvideo2-stage2-6b"):
        load(
            card.model_copy(update={"id": "internvideo2-stage2-6b", "network": card.network | {"out": 8}}),
            Setup((tmp_path,), CPU, own=True),
        )


def test_a_folder_without_a_tokenizer_is_told_in_one_line(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-stage2-1b"], tmp_path)
    for file in tmp_path.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(InputError, match=r"holds no tokenizer: neither tokenizer\.json nor vocab\.txt"):
        load(card, Setup((tmp_path,), CPU, own=True))
