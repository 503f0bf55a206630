"""What a request asks of a hosted model, checked against its card before anything is sent."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

from moviola.card import ModelCard, Size
from moviola.errors import ModelRetiredError, RequestError
from moviola.geometry import allowed_size, cut_off
from moviola.presets import worded
from moviola.tasks import Generate, Synthesis, Task

_MEANINGLESS = ("weights", "device", "dtype", "memory", "preview", "steps")
"""Fields that mean nothing where others run the model, unless it is told them."""

_SHAPE = ("size", "aspect", "seconds", "frames", "fps")

_SAME = 0.01
"""The share of a side by which a shape may miss one of the model's, and be the same."""


def check_offered(card: ModelCard, server: str | None = None) -> None:
    """Raises ModelRetiredError where the model is gone, unless the user names a server that may have it."""
    gone = card.retired is not None and date.fromisoformat(card.retired.date) <= date.today()
    if card.retired is not None and gone and server is None:
        instead = f"use {card.retired.successor}" if card.retired.successor else "nothing took its place"
        if "server" in card.takes:
            instead += "; name a server that still has it, if there is one: --server URL"
        raise ModelRetiredError(
            f"{card.id} ended on {card.retired.date}; {instead}", successor=card.retired.successor
        )


def check_meant(request: Task, card: ModelCard) -> None:
    """Raises RequestError for fields that say how a model is run on this machine."""
    for name in _MEANINGLESS:
        if getattr(request, name, None) is not None and name not in card.takes:
            raise RequestError(f"{card.id} runs at a provider, and so has no {name}; leave it out")


def settle(request: Synthesis, card: ModelCard) -> tuple[Synthesis, list[str]]:
    """The request with the model's own size and length filled in, and notes on what was chosen.

    Raises RequestError for what the model cannot do, naming the nearest it can: with `fit` that is taken.
    """
    check_meant(request, card)
    if request.speed != "exact":
        raise RequestError(f"{card.id} runs at a provider, and so has no speed {request.speed}; leave it out")
    notes: list[str] = []
    for name in _SHAPE:
        if getattr(request, name, None) is not None and name not in card.takes:
            raise RequestError(f"{card.id} is not told its {name}; leave it out, or see its options")
    settled = _worded(request, card, notes)
    if isinstance(request, Generate):
        settled |= _shaped(request, card, notes)
    elif request.size is not None and card.limits.sizes:
        settled["size"] = allowed_size(request.size, card, request.fit, notes)
    return request.model_copy(update=settled), notes


def _worded(request: Synthesis, card: ModelCard, notes: list[str]) -> dict[str, Any]:
    """The prompts as they are sent."""
    prompt, negative = worded(request.preset, request.prompt, request.negative_prompt)
    if request.preset is not None:
        notes.append(f"prompt: {prompt}")
    most = card.limits.max_prompt_characters
    for name, said in (("prompt", prompt), ("negative_prompt", request.negative_prompt)):
        # As JavaScript counts, in which most providers' limits are written.
        length = len((said or "").encode("utf-16-le")) // 2
        if most is not None and length > most:
            raise RequestError(f"{name}: {length} characters, and {card.id} reads up to {most}; shorten it")
    if "negative_prompt" not in card.takes:
        negative = None
    return {"prompt": prompt, "negative_prompt": negative, "preset": None}


def _shaped(request: Generate, card: ModelCard, notes: list[str]) -> dict[str, Any]:
    settled: dict[str, Any] = {"aspect": None}
    limits = card.limits
    if limits.sizes:
        if request.size is not None:
            settled["size"] = allowed_size(request.size, card, request.fit, notes)
        elif request.aspect is not None:
            settled["size"] = _size_of(request.aspect, card, request.fit, notes)
        else:
            settled["size"] = limits.sizes[0]
    if limits.durations:
        settled["seconds"] = _seconds(request, card, notes)
    return settled


def _size_of(aspect: Fraction, card: ModelCard, fit: bool, notes: list[str]) -> Size:
    """The first size of that shape, with `fit` of the nearest: later ones may be larger, and cost more."""
    wanted = (round(1000 * aspect), 1000)
    nearest = min(card.limits.sizes, key=lambda size: cut_off(wanted, size))
    first = next(size for size in card.limits.sizes if cut_off(nearest, size) <= _SAME)
    if cut_off(wanted, nearest) > _SAME:
        shapes = ", ".join(dict.fromkeys(ratio(size) for size in card.limits.sizes))
        if not fit:
            raise RequestError(f"aspect: {card.id} makes {shapes}, not {aspect}; --fit takes the nearest")
        notes.append(f"size: {first[0]}x{first[1]}, the nearest to {aspect} that {card.id} makes")
    return first


def _seconds(request: Generate, card: ModelCard, notes: list[str]) -> float:
    durations = card.limits.durations
    if request.seconds is None:
        return durations[0]
    nearest = min(durations, key=lambda seconds: abs(seconds - (request.seconds or 0)))
    if nearest != request.seconds:
        if not request.fit:
            raise RequestError(
                f"seconds: {card.id} makes {_listed(durations)}, not {request.seconds:g}; "
                "--fit takes the nearest"
            )
        notes.append(f"seconds: {nearest:g}, the nearest to {request.seconds:g} that {card.id} makes")
    return nearest


def _listed(durations: tuple[float, ...]) -> str:
    """`5 or 10`, and `2 to 10` where it is every whole second between."""
    least, most = min(durations), max(durations)
    if len(durations) > 2 and len(durations) == most - least + 1:
        return f"{least:g} to {most:g}"
    return " or ".join(f"{seconds:g}" for seconds in sorted(durations))


def ratio(size: Size) -> str:
    """As providers write it: 16:9."""
    shape = Fraction(*size)
    return f"{shape.numerator}:{shape.denominator}"
