"""InternVideo2-CLIP's cards: what is published, where it is, and how its three files become one network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from moviola.card import ModelCard
from moviola.model import Setup
from moviola.models.internvideo2_clip import CARDS, _network, load, names, tiny
from moviola.nets.internvideo2 import resized
from moviola.plan.plan import Plan
from moviola.tasks.recognizing import Recognize

KEYS = Path(__file__).parents[1] / "nets/recorded"
BY_ID = {card.id: card for card in CARDS}
every_card = pytest.mark.parametrize("card", CARDS, ids=BY_ID)
CPU = Plan(device="cpu", dtype="float32")


def published(card: ModelCard) -> dict[str, Tensor]:
    """All entries of the authors' network, on the meta device."""
    keys = json.loads((KEYS / f"{card.id}.keys.json").read_text())
    return {name: torch.empty(shape, device="meta") for name, shape in keys.items()}


def in_three_files(whole: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """As they are published: the encoder under plain names, what CLIP's training changed, and MobileCLIP."""
    vision = {
        name.removeprefix("vision_encoder."): value
        for name, value in whole.items()
        if name.startswith("vision_encoder.")
    }
    decoders = {"final_clip_decoder.head.weight": torch.empty(768, 768), "clip_pos_embed": torch.empty(1)}
    changed = {
        name: value
        for name, value in whole.items()
        if name.startswith(("vision_encoder.clip_projector.", "vision_align.")) or name == "temp"
    }
    text = {name: value for name, value in whole.items() if name.startswith("text_encoder.")}
    others = {"logit_scale": torch.empty(1), "image_encoder.model.pos_embed.pos_embed": torch.empty(1)}
    return [vision | decoders, changed, text | others]


def test_there_is_a_card_for_each_distilled_size() -> None:
    assert set(BY_ID) == {f"internvideo2-clip-{size}" for size in "sbl"}


@every_card
def test_a_card_describes_the_published_files(card: ModelCard) -> None:
    with torch.device("meta"):
        made = _network(card)
    made.load_state_dict(names(card, in_three_files(published(card))), strict=True, assign=True)
    counts = {part.name: part.parameters for part in card.parts}
    text = sum(value.numel() for name, value in made.named_parameters() if name.startswith("text_"))
    whole = sum(value.numel() for value in made.parameters())
    assert counts == {"vision": whole - text, "text": text}


def test_what_clip_s_training_changed_has_the_19_entries_that_are_published() -> None:
    assert len(in_three_files(published(BY_ID["internvideo2-clip-b"]))[1]) == 19


@every_card
def test_what_clip_s_training_changed_wins_over_the_distilled_encoder(card: ModelCard) -> None:
    name = "clip_projector.cross_attn.q_bias"
    first = {"cls_token": torch.zeros(1), name: torch.zeros(3)}
    then = {f"vision_encoder.{name}": torch.ones(3), "temp": torch.ones(())}
    merged = names(card, [first, then])
    assert merged.keys() == {"vision_encoder.cls_token", f"vision_encoder.{name}"}
    assert torch.equal(merged[f"vision_encoder.{name}"], torch.ones(3))


def test_the_largest_is_of_the_size_of_the_one_that_is_published_in_one_file() -> None:
    """About 373 million, as users of OpenGVLab/InternVideo2_CLIP_S count."""
    card = BY_ID["internvideo2-clip-l"]
    assert sum(part.parameters for part in card.parts) / 1e6 == pytest.approx(373, rel=0.01)
    assert "InternVideo2_CLIP_S" in card.facts["one file"]


@every_card
def test_it_is_fed_as_in_the_authors_test(card: ModelCard) -> None:
    facts = card.embedding
    assert facts is not None
    assert (facts.frames, facts.size, facts.width, facts.text_tokens) == (8, (224, 224), 512, 77)
    assert facts.temperature == 0.01
    assert facts.mean == (0.485, 0.456, 0.406)
    assert facts.std == (0.229, 0.224, 0.225)


@every_card
def test_the_text_encoder_s_licence_forbids_commercial_use(card: ModelCard) -> None:
    assert "Apple" in card.licence
    assert not card.commercial
    assert not any(weights.gated for weights in card.weights)


@pytest.mark.parametrize(
    ("size", "retrieval", "action"), [("s", 35.6, 62.1), ("b", 40.3, 67.7), ("l", 42.1, 70.7)]
)
def test_figures_are_the_zoo_s(size: str, retrieval: float, action: float) -> None:
    facts = BY_ID[f"internvideo2-clip-{size}"].embedding
    assert facts is not None
    scores = {score.benchmark: score for score in facts.scores}
    assert (scores["MSR-VTT"].value, scores["Kinetics-400"].value) == (retrieval, action)
    assert "R@1" in scores["MSR-VTT"].setting
    assert "top-1" in scores["Kinetics-400"].setting
    assert len(scores) == 10


def test_a_tiny_checkpoint_has_the_authors_names_and_reads_back(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-clip-b"], tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    whole = published(BY_ID["internvideo2-clip-b"])
    assert state.keys() <= whole.keys()
    assert sum(value.numel() for value in state.values()) == sum(part.parameters for part in card.parts)

    embedder = load(card, Setup((tmp_path,), CPU, own=True))
    texts = embedder.texts(["a dog jumps", "A dog, jumps!", "a dog jumps again"])
    assert texts.shape == (3, 16)
    assert texts[0] == pytest.approx(texts[1], abs=1e-6)
    assert texts[0] != pytest.approx(texts[2], abs=1e-3)


def test_its_three_published_files_and_the_tokenizer_s_lie_in_four_folders(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-clip-b"], tmp_path / "whole")
    one = load(card, Setup((tmp_path / "whole",), CPU, own=True))
    state = load_file(tmp_path / "whole/model.safetensors")
    state["temp"] = torch.ones(())
    patterns = [weights.files[0] if weights.files else "mobileclip_blt.pt" for weights in card.weights[:3]]
    for number, (pattern, part) in enumerate(zip(patterns, in_three_files(state), strict=True)):
        file = tmp_path / f"{number}" / pattern
        file.parent.mkdir(parents=True)
        torch.save({"module": part} if number == 1 else part, file)
    (tmp_path / "1/stage1").mkdir()
    torch.save({"other": torch.zeros(1)}, tmp_path / "1/stage1/pytorch_model.bin")  # of another card

    folders = (*(tmp_path / f"{number}" for number in range(3)), tmp_path / "whole")
    other = load(card, Setup(folders, CPU))
    assert one.texts(["a dog"]) == pytest.approx(other.texts(["a dog"]), abs=1e-6)
    looks = torch.randint(0, 256, (2, 4, 28, 28, 3), dtype=torch.uint8).numpy()
    assert one.videos(looks) == pytest.approx(other.videos(looks), abs=1e-6)


def test_a_table_of_4_frames_is_resized_for_8() -> None:
    card = BY_ID["internvideo2-clip-b"]
    table = torch.randn(1, 1 + 4 * 256, 6)
    fitted = names(card, [{"vision_encoder.pos_embed": table}])["vision_encoder.pos_embed"]
    assert torch.equal(fitted, resized(table, (4, 16, 16), (8, 16, 16)))


def test_it_searches_and_recognizes_and_no_more(tmp_path: Path) -> None:
    card = tiny(BY_ID["internvideo2-clip-b"], tmp_path)
    assert card.tasks == ("search", Recognize.verb)
    embedder = load(card, Setup((tmp_path,), CPU, own=True))
    with pytest.raises(TypeError):
        embedder.run(object(), None, None)
