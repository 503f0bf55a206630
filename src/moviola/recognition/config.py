"""What a checkpoint in transformers' layout says of itself: `config.json` and its preprocessor's.

transformers reads them too, so a model that was fine-tuned with it computes here what it does there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from moviola.card import ModelCard, Recognition
from moviola.errors import InputError
from moviola.recognition import labels

_CONFIG = "config.json"

_PREPROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json")

_IN_TRAINING = ("drop_path", "head_dropout")
"""Arguments of our networks that change nothing in what a network computes once it is trained."""

_OTHER_NAMES = {"frames_per_clip": "num_frames", "crop_size": "image_size"}
"""Of V-JEPA 2's configuration."""


def adapted(card: ModelCard, folder: Path, model_type: str) -> ModelCard:
    """The card of a checkpoint of the user's own, by the configuration in its folder.

    From there come the architecture, the classes and their names, and how pictures are scaled, cropped and
    normalised. The card stays as it is where there is no configuration, and for a copy of its own published
    checkpoint: there the card knows better, as some conversions got heads or epsilons wrong.

    model_type: transformers' name of the architecture. Raises InputError for another, and for nonsense.
    """
    path = folder / _CONFIG
    if not path.is_file():
        return card
    facts = card.recognition
    assert facts is not None
    kind = _json(path).get("model_type")
    if kind != model_type:
        raise InputError(f"{path} describes a model of type {kind}; {card.id} is of type {model_type}")
    config = _config(path)
    frames, size = config.pop("num_frames"), config.pop("image_size")
    height, width = size if isinstance(size, Sequence) else (size, size)
    names = tuple(config.pop("names"))
    smaller = Fraction(min(width, height), min(facts.crop))
    if _published(card, config, names, frames, (width, height)):
        return card
    own = {
        "labels": None,
        "names": names,
        "classes": len(names),
        "frames": frames,
        "crop": (width, height),
        "short_side": facts.short_side and int(facts.short_side * smaller),
        "single_side": facts.single_side and int(facts.single_side * smaller),
        "accuracy": (),
        "gmacs": None,
        "gmacs_input": None,
        "parameters_millions": None,
        "cost_source": None,
    } | _preparation(folder)
    recognition = Recognition.model_validate(facts.model_dump() | own)
    kept = {name: card.network[name] for name in _IN_TRAINING if name in card.network}
    return card.model_copy(update={"recognition": recognition, "network": config | kept})


def _json(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(held, dict):
        raise InputError(f"{path} should hold an object, not a {type(held).__name__}")
    return held


def _config(path: Path) -> dict[str, Any]:
    """All that the class of a configuration adds to those of every model, and `names`: of the classes."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, PreTrainedConfig

    try:
        config = AutoConfig.from_pretrained(path.parent, local_files_only=True)
    except (StrictDataclassError, ValueError, TypeError, OSError) as error:
        raise InputError(f"{path}: {str(error).strip().partition(chr(10))[0]}") from error
    common = PreTrainedConfig().to_dict().keys() | {"model_type"}
    held = {name: value for name, value in config.to_dict().items() if name not in common}
    names = [config.id2label[index] for index in sorted(config.id2label)]
    return {_OTHER_NAMES.get(name, name): value for name, value in held.items()} | {"names": names}


def _published(
    card: ModelCard, config: Mapping[str, Any], names: Sequence[str], frames: int, crop: tuple[int, int]
) -> bool:
    """Whether a configuration is that of the card's own checkpoint: same classes, same size."""
    facts = card.recognition
    assert facts is not None
    if facts.labels is None or (frames, crop) != (facts.frames, facts.crop):
        return False
    if any(config[name] != card.network[name] for name in ("hidden_size", "num_hidden_layers")):
        return False
    return [_plain(name) for name in names] == [_plain(name) for name in labels.names(facts.labels)]


def _plain(name: str) -> str:
    """A class's name without what spellings of it differ in."""
    return re.sub(r"[\W_]", "", name.casefold())


def _preparation(folder: Path) -> dict[str, Any]:
    """How pictures are scaled and normalised, as far as the preprocessor's configuration says."""
    path = next((folder / name for name in _PREPROCESSORS if (folder / name).is_file()), None)
    if path is None:
        return {}
    held = _json(path)
    found: dict[str, Any] = {}
    if not held.get("do_normalize", True):
        found |= {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    else:
        for ours, theirs in (("mean", "image_mean"), ("std", "image_std")):
            if (value := held.get(theirs)) is not None:
                found[ours] = tuple(value) if isinstance(value, Sequence) else (value,) * 3
    size = held.get("size")
    if size is not None:
        # A preprocessor scales alike whatever is cropped after it.
        side = size.get("shortest_edge") if isinstance(size, Mapping) else size
        found |= {"short_side": side, "single_side": None}
    return found
