"""A user's own fine-tune, saved by transformers, computes here what transformers computes with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    PreTrainedModel,
    TimesformerConfig,
    TimesformerForVideoClassification,
    TimesformerVideoProcessor,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    VideoMAEImageProcessor,
    VJEPA2Config,
    VJEPA2ForVideoClassification,
    VJEPA2VideoProcessor,
)

from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.models import timesformer, videomae, videomae_v2, vjepa2
from moviola.recognition import labels
from moviola.recognition.config import adapted
from moviola.recognition.library import from_transformers

WORDS = ("wave", "fall over", "open the door")
NAMES = {"id2label": dict(enumerate(WORDS)), "label2id": {word: place for place, word in enumerate(WORDS)}}
SHAPE: dict[str, Any] = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, **NAMES}


def card_of(family: Any, name: str) -> ModelCard:
    return next(card for card in family.CARDS if card.id == name)


def a_videomae(**changes: Any) -> PreTrainedModel:
    fields = SHAPE | {"intermediate_size": 100, "image_size": 24, "patch_size": 8, "num_frames": 6} | changes
    return VideoMAEForVideoClassification(VideoMAEConfig(**fields))


def a_timesformer(**changes: Any) -> PreTrainedModel:
    fields = SHAPE | {"intermediate_size": 100, "image_size": 24, "patch_size": 8, "num_frames": 3} | changes
    return TimesformerForVideoClassification(TimesformerConfig(**fields))


def a_vjepa2(**changes: Any) -> PreTrainedModel:
    probe = {"num_pooler_layers": 1, "pred_hidden_size": 24, "pred_num_attention_heads": 2}
    fields = SHAPE | {"mlp_ratio": 3.5, "crop_size": 32, "frames_per_clip": 4, **probe} | changes
    return VJEPA2ForVideoClassification(VJEPA2Config(**fields))


FINE_TUNES: dict[str, tuple[Any, str, Callable[..., PreTrainedModel], dict[str, Any]]] = {
    "videomae": (videomae, "videomae-small-k400", a_videomae, {}),
    "videomae without biases": (videomae, "videomae-huge-k400", a_videomae, {"qv_bias": False}),
    "videomae of the first token": (videomae, "videomae-base-ssv2", a_videomae, {"use_mean_pooling": False}),
    "videomae of oblong videos": (videomae, "videomae-base-k400", a_videomae, {"image_size": [16, 40]}),
    "videomae of longer tubes": (videomae_v2, "videomae-v2-g-k710", a_videomae, {"tubelet_size": 3}),
    "timesformer": (timesformer, "timesformer-l-k600", a_timesformer, {}),
    "timesformer on all at once": (
        timesformer,
        "timesformer-base-ssv2",
        a_timesformer,
        {"attention_type": "joint_space_time"},
    ),
    "vjepa2": (vjepa2, "vjepa2-g-ssv2", a_vjepa2, {}),
    "vjepa2 on another card's levels": (vjepa2, "vjepa2-l-diving48", a_vjepa2, {}),
}


def saved(folder: Path, model: PreTrainedModel) -> PreTrainedModel:
    """As `from_pretrained` reads it again, with weights that no initialization would give."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return type(model).from_pretrained(folder).eval()


@pytest.mark.parametrize("name", FINE_TUNES)
@pytest.mark.parametrize("layout", ["as saved", "older", "newer"])
def test_a_fine_tune_computes_what_transformers_computes(name: str, layout: str, tmp_path: Path) -> None:
    family, card_id, make, changes = FINE_TUNES[name]
    library = saved(tmp_path, make(**changes))
    card = family._BUILD.adapted(card_of(family, card_id), tmp_path)
    network = family.network(card).eval()
    state = load_file(tmp_path / "model.safetensors")
    pairs = [(".query.bias", ".q_bias"), (".value.bias", ".v_bias")]
    if layout != "as saved" and isinstance(library, VideoMAEForVideoClassification):
        for new, old in pairs if layout == "older" else [(old, new) for new, old in pairs]:
            state = {entry.replace(new, old): tensor for entry, tensor in state.items()}
    network.load_state_dict(family._BUILD.names(card, state))
    facts = card.recognition
    assert facts is not None
    width, height = facts.crop
    video = torch.randn(2, 3, facts.frames, height, width)
    with torch.inference_mode():
        torch.testing.assert_close(network(video), library(video.transpose(1, 2)).logits)


@pytest.mark.parametrize("name", FINE_TUNES)
def test_a_fine_tune_brings_its_classes_and_its_size(name: str, tmp_path: Path) -> None:
    family, card_id, make, changes = FINE_TUNES[name]
    make(**changes).config.save_pretrained(tmp_path)
    card = card_of(family, card_id)
    facts, before = family._BUILD.adapted(card, tmp_path).recognition, card.recognition
    assert facts is not None
    assert before is not None
    assert facts.names == WORDS
    assert facts.labels is None
    assert facts.classes == 3
    assert facts.frames == (4 if "vjepa2" in name else 3 if "timesformer" in name else 6)
    assert facts.crop == ((40, 16) if "oblong" in name else (32, 32) if "vjepa2" in name else (24, 24))
    assert (facts.protocol, facts.stride, facts.views) == (before.protocol, before.stride, before.views)
    assert (facts.mean, facts.std) == (before.mean, before.std)


def test_what_was_published_of_the_card_is_not_said_of_a_fine_tune(tmp_path: Path) -> None:
    a_videomae().config.save_pretrained(tmp_path)
    facts = adapted(card_of(videomae, "videomae-base-k400"), tmp_path, "videomae").recognition
    assert facts is not None
    assert facts.accuracy == ()
    assert (facts.gmacs, facts.parameters_millions, facts.cost_source) == (None, None, None)


def test_training_goes_on_as_the_authors_did(tmp_path: Path) -> None:
    a_videomae().config.save_pretrained(tmp_path)
    network = adapted(card_of(videomae, "videomae-huge-k400"), tmp_path, "videomae").network
    assert (network["drop_path"], network["head_dropout"]) == (0.2, 0.5)


def test_names_of_two_classes_that_were_never_named(tmp_path: Path) -> None:
    """A configuration says nothing of what it has by default: two classes without names."""
    a_videomae(id2label=None, label2id=None).config.save_pretrained(tmp_path)
    assert "id2label" not in json.loads((tmp_path / "config.json").read_text())
    facts = adapted(card_of(videomae, "videomae-base-k400"), tmp_path, "videomae").recognition
    assert facts is not None
    assert facts.names == ("LABEL_0", "LABEL_1")


@pytest.mark.parametrize(
    ("processor", "mean", "std", "short_side"),
    [
        (VideoMAEImageProcessor(), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 224),
        (
            VideoMAEImageProcessor(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]),
            (0.485, 0.456, 0.406),
            (0.229, 0.224, 0.225),
            224,
        ),
        (
            TimesformerVideoProcessor(image_mean=[0.45] * 3, image_std=[0.225] * 3),
            (0.45, 0.45, 0.45),
            (0.225, 0.225, 0.225),
            224,
        ),
        (
            VJEPA2VideoProcessor(crop_size={"height": 384, "width": 384}),
            (0.485, 0.456, 0.406),
            (0.229, 0.224, 0.225),
            438,
        ),
        (VideoMAEImageProcessor(do_normalize=False), (0, 0, 0), (1, 1, 1), 224),
        (
            VideoMAEImageProcessor(size={"height": 24, "width": 24}, do_center_crop=False),
            (0.5, 0.5, 0.5),
            (0.5, 0.5, 0.5),
            None,
        ),
    ],
    ids=["by default", "as on the hub", "timesformer", "vjepa2", "not normalised", "both sides scaled"],
)
def test_pictures_are_prepared_as_the_preprocessor_says(
    processor: Any,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    short_side: int | None,
    tmp_path: Path,
) -> None:
    """transformers' class has mean and std 0.5 where nothing is said; what counts is what was saved."""
    a_videomae().config.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    facts = adapted(card_of(videomae, "videomae-base-k400"), tmp_path, "videomae").recognition
    assert facts is not None
    assert facts.mean == pytest.approx(mean)
    assert facts.std == pytest.approx(std)
    assert facts.short_side == short_side


def test_without_a_preprocessor_pictures_are_scaled_in_the_card_s_proportion(tmp_path: Path) -> None:
    a_vjepa2().config.save_pretrained(tmp_path)
    facts = adapted(card_of(vjepa2, "vjepa2-l-ssv2"), tmp_path, "vjepa2").recognition
    assert facts is not None
    assert (facts.single_side, facts.short_side, facts.crop) == (36, 32, (32, 32))


def test_a_preprocessor_scales_alike_for_one_crop_and_for_three(tmp_path: Path) -> None:
    a_vjepa2().config.save_pretrained(tmp_path)
    VJEPA2VideoProcessor(crop_size=32).save_pretrained(tmp_path)
    facts = adapted(card_of(vjepa2, "vjepa2-l-ssv2"), tmp_path, "vjepa2").recognition
    assert facts is not None
    assert (facts.single_side, facts.short_side) == (None, 36)


def of_the_hub(card: ModelCard, folder: Path, **changes: Any) -> None:
    """A configuration as transformers' converters wrote it for a published checkpoint."""
    facts = card.recognition
    assert facts is not None
    assert facts.labels is not None
    words = [word.replace("something", "[something]") for word in labels.names(facts.labels)]
    fields = {
        "model_type": "videomae",
        "image_size": 224,
        "num_frames": 16,
        "hidden_size": card.network["hidden_size"],
        "num_hidden_layers": card.network["num_hidden_layers"],
        "num_attention_heads": 16,
        "layer_norm_eps": 1e-12,
        "id2label": {str(place): word for place, word in enumerate(words)},
    } | changes
    (folder / "config.json").write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))


@pytest.mark.parametrize("card", videomae.CARDS, ids=lambda card: card.id)
def test_a_copy_of_the_published_checkpoint_is_known_by_its_classes(card: ModelCard, tmp_path: Path) -> None:
    """Its configuration is wrong in what the card is right in: the heads of ViT-S, the epsilons."""
    of_the_hub(card, tmp_path)
    assert adapted(card, tmp_path, "videomae") == card


def test_a_copy_is_known_however_its_classes_are_spelt(tmp_path: Path) -> None:
    """The Hub's dives are lists; its configuration knows neither the probe's heads nor its levels."""
    card = card_of(vjepa2, "vjepa2-g-diving48")
    of_the_hub(
        card,
        tmp_path,
        model_type="vjepa2",
        crop_size=384,
        frames_per_clip=32,
        image_size=None,
        num_frames=None,
        num_attention_heads=22,
        id2label={place: str(dive.split("+")) for place, dive in enumerate(labels.names("diving48"))},
    )
    assert "['Inward', '35som', 'NoTwis', 'TUCK']" in (tmp_path / "config.json").read_text()
    assert adapted(card, tmp_path, "vjepa2") == card


@pytest.mark.parametrize("changes", [{"num_frames": 32}, {"image_size": 320}, {"num_hidden_layers": 6}])
def test_the_same_classes_at_another_size_are_no_copy(changes: dict[str, int], tmp_path: Path) -> None:
    card = card_of(videomae, "videomae-small-k400")
    of_the_hub(card, tmp_path, **changes)
    assert adapted(card, tmp_path, "videomae").network["num_attention_heads"] == 16


def test_other_classes_of_the_same_number_are_no_copy(tmp_path: Path) -> None:
    card = card_of(videomae, "videomae-small-k400")
    of_the_hub(card, tmp_path, id2label={place: f"word {place}" for place in range(400)})
    facts = adapted(card, tmp_path, "videomae").recognition
    assert facts is not None
    assert facts.names[:2] == ("word 0", "word 1")


@pytest.mark.parametrize("family", [videomae, videomae_v2, timesformer, vjepa2], ids=lambda f: f.__name__)
def test_without_a_configuration_the_card_stays_as_it_is(family: Any, tmp_path: Path) -> None:
    for card in family.CARDS:
        assert family._BUILD.adapted(card, tmp_path) is card
        save_file({"head.weight": torch.zeros(1)}, tmp_path / "model.safetensors")
        assert family._BUILD.adapted(card, tmp_path / "model.safetensors") is card


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"model_type": "bert"}', "describes a model of type bert; vjepa2-l-ssv2 is of type vjepa2"),
        ('{"id2label": {}}', "describes a model of type None"),
        ("{", "cannot be read"),
        ("[1]", "should hold an object, not a list"),
        ('{"model_type": "vjepa2", "hidden_size": "wide"}', "hidden_size"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=told):
        from_transformers("vjepa2").adapted(card_of(vjepa2, "vjepa2-l-ssv2"), tmp_path)


@pytest.mark.parametrize(
    ("family", "name"),
    [(videomae, "videomae-base-k400"), (timesformer, "timesformer-base-k400"), (vjepa2, "vjepa2-l-ssv2")],
    ids=["videomae", "timesformer", "vjepa2"],
)
def test_fused_for_inference_a_network_says_the_same_and_keeps_its_entries(
    family: Any, name: str, tmp_path: Path
) -> None:
    card = family.tiny(card_of(family, name), tmp_path)
    torch.manual_seed(0)
    network = family.network(card).eval()
    facts = card.recognition
    video = torch.randn(2, 3, facts.frames, *reversed(facts.crop))
    entries = list(network.state_dict())
    with torch.inference_mode():
        expected = network(video)
        made = network.fused()(video)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)
    assert list(network.state_dict()) == entries
    joined = [part for part in network.modules() if getattr(part, "activation", None) == "gelu"]
    assert joined, "no activation was joined to its layer"
