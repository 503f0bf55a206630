"""From a request to a generative model to its files: card → shape → weights → plan → load → takes."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from moviola import registry, weights
from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import OutputError, RequestError
from moviola.geometry import allowed_size, check_cut, native_of, shape_of, valid_frames
from moviola.media.encoding import Encoding, choose_encoding
from moviola.media.sink import check_output
from moviola.model import Event, Events, Family, Note, Result, Setup
from moviola.pictures import picture
from moviola.plan.choose import brief, choose
from moviola.plan.machine import this_machine
from moviola.plan.plan import Job, Plan, Wishes
from moviola.presets import worded
from moviola.recipe import recipe
from moviola.recognition.placing import place
from moviola.roads.making import Take, check_not_input, make, numbered, validated, work_folder
from moviola.roads.video import clip_of, encoding_like, files_of, inputs_of, output_beside
from moviola.tasks import Edit, Generate, Synthesis, VideoResult, origin_name

_OF_WEIGHTS = ("weights", "size", "memory", "preview")
"""Fields that mean nothing to a model without weights: it makes frames of the video's own size."""

_ASKED = (
    "prompt",
    "negative_prompt",
    "image",
    "last_image",
    "reference",
    "references",
    "guidance",
    "motion",
    "strength",
    "mask",
    "server",
)
"""Fields that a model has to know about to take."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with everything decided that can be before weights are read.

    request: settled: size, length, rate, steps, guidance, seed and output are filled in.
    folders: where the weights lie, None where they have to be pulled first.
    """

    request: Synthesis
    family: Family
    card: ModelCard
    options: BaseModel
    plan: Plan
    output: Path
    folders: tuple[Path, ...] | None
    clip: Clip | None = None
    notes: list[str] = field(default_factory=list)


def prepare(request: Synthesis, *, plan: Plan | None = None) -> Prepared:
    """Check and settle a request, and plan how it will run; no weights are read, nothing is downloaded.

    plan: to be used as it is, in place of a new one. Raises MoviolaError.
    """
    family, card = registry.find(request.model, task=request.verb)
    if card.hosted:
        raise RequestError(f"{card.id} runs at a provider, where there is nothing to plan; see its --cost")
    options = validated(family.Options, request.options, card)
    if not card.weights:
        _check_weightless(request, card)
    folders = weights.folders(card, request.weights)
    if folders:
        card = weights.own_card(card, folders[0])
    check_fields(request, card)
    output = output_of(request)
    _check_outputs(request, output)
    clip = clip_of(request) if isinstance(request, Edit) else None
    settled, notes = _settled(request, card, clip, output)
    if isinstance(settled, Generate):
        # What cannot be written is refused before the work, not after it.
        _encoding(settled, output)
    if plan is None and not card.weights:
        plan = place(card, request.device, request.dtype)
    elif plan is None:
        wishes = Wishes(request.device, request.dtype, request.memory, request.speed)
        job = _job(settled, card, clip)
        plan = choose(card, job, this_machine(request.device), wishes)
    notes.append(f"runs on {brief(plan)}")
    return Prepared(settled, family, card, options, plan, output, folders, clip, notes)


def synthesize(request: Synthesis, *, plan: Plan | None = None) -> Events:
    """Do a request to a generative model. The last event is a `Result` with a `VideoResult`.

    plan: how to run it, in place of the best for this machine. What is finished of an interrupted run is
    kept, and the same request goes on from there. Raises MoviolaError.
    """
    prepared = yield from with_weights(request, plan=plan)
    assert prepared.folders is not None
    model = prepared.family.load(prepared.card, Setup(prepared.folders, prepared.plan))
    results: list[VideoResult] = []
    for take in _takes(prepared):
        for event in make(take, model, prepared.options):
            if isinstance(event, Result):
                results.append(event.value)
            else:
                yield event
    yield Result(results[0].model_copy(update={"takes": results[1:]}))


def with_weights(request: Synthesis, *, plan: Plan | None = None) -> Generator[Event, None, Prepared]:
    """As `prepare`, once the weights are there: they are pulled where they are not. Raises MoviolaError."""
    prepared = prepare(request, plan=plan)
    if prepared.folders is not None:
        return prepared
    yield Note(f"pulling the weights of {prepared.card.id}")
    folders = yield from weights.pull(prepared.card)
    return replace(prepare(request, plan=plan), folders=folders)


def _check_weightless(request: Synthesis, card: ModelCard) -> None:
    """Raises RequestError where a model without weights is asked for what only weights would make of it."""
    for name in _OF_WEIGHTS:
        if getattr(request, name) is not None:
            raise RequestError(f"{card.id} has no weights, and so no {name}; leave it out")
    if request.speed != "exact":
        raise RequestError(f"{card.id} has no weights, and so no speed {request.speed}; leave it out")
    if request.count > 1 and request.prompt is None and request.preset is None:
        raise RequestError(f"without a prompt all takes of {card.id} are the same; leave count out")


def check_fields(request: Synthesis, card: ModelCard) -> None:
    """Raises RequestError where the model cannot take a field that is given, or lacks one it needs."""
    if request.preset is not None and "prompt" not in card.takes:
        raise RequestError(f"{card.id} takes no prompt, and so no preset")
    for name in _ASKED:
        given = getattr(request, name, None) is not None
        if given and name not in card.takes:
            cards = [other for other in registry.cards() if request.verb in other.tasks]
            able = [other.id for other in cards if name in other.takes]
            others = f"; these do: {registry.few(able)}" if able else ""
            raise RequestError(f"{card.id} takes no {name}{others}")
        if not given and name in card.needs and name in type(request).model_fields:
            raise RequestError(f"{card.id} needs {name} to {request.verb}")


def _settled(
    request: Synthesis, card: ModelCard, clip: Clip | None, output: Path
) -> tuple[Synthesis, list[str]]:
    # Without weights and without a prompt there is nothing to draw.
    draws = bool(card.weights) or request.prompt is not None or request.preset is not None
    seed = request.seed
    if seed is None:
        seed = _new_seed(request, card, output) if draws else 0
    settled: dict[str, Any] = {"output": output, "seed": seed}
    if card.weights:
        native = native_of(card)
        settled["steps"] = request.steps or native.steps
        if request.guidance is None and "guidance" in card.takes:
            settled["guidance"] = native.guidance
    if isinstance(request, Generate):
        shaped, notes = _generated(request, card)
    else:
        assert isinstance(request, Edit)
        assert clip is not None
        shaped, notes = _edited(request, card, clip)
    if request.preset is not None:
        notes.append(f"prompt: {worded(request.preset, request.prompt, None)[0]}")
    if request.seed is None and draws:
        notes.append(f"seed: {settled['seed']}")
    return request.model_copy(update=settled | shaped), notes


def _generated(request: Generate, card: ModelCard) -> tuple[dict[str, Any], list[str]]:
    pictures = [(name, getattr(request, name)) for name in ("image", "last_image")]
    sizes = {name: picture(origin, name).size for name, origin in pictures if origin is not None}
    shape, notes = shape_of(request, card, next(iter(sizes.values()), None))
    size = (shape.width, shape.height)
    told = (check_cut(name, have, size, fit=request.fit) for name, have in sizes.items())
    notes += [text for text in told if text]
    return {"size": size, "aspect": None, "seconds": None, "frames": shape.frames, "fps": shape.fps}, notes


def _edited(request: Edit, card: ModelCard, clip: Clip) -> tuple[dict[str, Any], list[str]]:
    if not card.weights:
        return {}, []
    notes: list[str] = []
    have = (clip.width, clip.height)
    size = allowed_size(request.size or have, card, request.fit, notes)
    notes += [text for text in (check_cut("video", have, size, fit=request.fit),) if text]
    settled: dict[str, Any] = {"size": size}
    if "strength" in card.takes and request.strength is None:
        settled["strength"] = native_of(card).strength
    return settled, notes


def _new_seed(request: Synthesis, card: ModelCard, output: Path) -> int:
    """A seed that was never asked for: that of the same work where it was interrupted, else a random one."""
    log = work_folder(numbered(output, request.count)[0]) / "journal.jsonl"
    asked = {"seed", "size", "frames", "fps", "steps", "guidance", "strength"}
    try:
        head = json.loads(log.read_text().partition("\n")[0])["recipe"]["request"]
    except (OSError, ValueError, KeyError):
        return secrets.randbelow(2**32)
    mine = recipe(request, card, {})["request"]
    same = {name: value for name, value in head.items() if name not in asked}
    if same == {name: value for name, value in mine.items() if name not in asked | {"seconds", "aspect"}}:
        return int(head["seed"])
    return secrets.randbelow(2**32)


def _job(request: Synthesis, card: ModelCard, clip: Clip | None) -> Job:
    assert request.size is not None
    assert request.steps is not None
    most = card.limits.max_frames
    if isinstance(request, Generate):
        total = request.frames or 1
    else:
        assert clip is not None
        total = clip.info.video.frame_count or most or 1
    frames = valid_frames(total, card.limits, up=True)
    return Job(
        *request.size,
        frames=frames,
        steps=request.steps,
        guided=(request.guidance or 0) > 1,
        calls=request.count * -(-total // frames),
    )


def _takes(prepared: Prepared) -> Iterator[Take]:
    request, card = prepared.request, prepared.card
    assert request.seed is not None
    inputs = inputs_of(request)
    if request.weights is not None:
        inputs["weights"] = weights.fingerprint(request.weights)
    for number, output in enumerate(numbered(prepared.output, request.count)):
        asked = request.model_copy(
            update={"output": output, "count": 1, "seed": (request.seed + number) % 2**63}
        )
        notes = list(prepared.notes)
        if prepared.clip is not None:
            assert isinstance(asked, Edit)
            encoding, lost = encoding_like(asked, prepared.clip, card, output)
            notes += lost
        else:
            assert isinstance(asked, Generate)
            encoding = _encoding(asked, output)
        made_by = recipe(asked, card, inputs) | {
            "plan": prepared.plan.settings(),
            "weights": origins(prepared),
        }
        yield Take(asked, output, encoding, made_by, inputs, prepared.clip, notes, request.preview)


def _encoding(request: Generate, output: Path) -> Encoding:
    depth = int(request.depth) if request.depth else None
    return choose_encoding(
        output, None, codec=request.codec, quality=request.quality, rate=request.fps, depth=depth
    )


def origins(prepared: Prepared) -> list[dict[str, str]]:
    """Which published weights were used; nothing where the user gave a folder."""
    if prepared.request.weights is not None or prepared.folders is None:
        return []
    return weights.origins(prepared.card, prepared.folders)


def output_of(request: Synthesis) -> Path:
    """Where the result goes: as asked, else named after the video, the prompt or the image."""
    if request.output is not None:
        return request.output
    if isinstance(request, Edit):
        return output_beside(request)
    assert isinstance(request, Generate)
    words = re.findall(r"\w+", (request.prompt or Path(origin_name(request.image)).stem).lower())
    return Path(f"{'-'.join(words)[:60].strip('-') or 'generated'}.mp4")


def _check_outputs(request: Synthesis, output: Path) -> None:
    """Raises OutputError, before any work is done, where a take could not be written."""
    for path in numbered(output, request.count):
        check_not_input(path, *files_of(request).values())
        check_output(path, overwrite=request.overwrite)
    if request.preview is not None:
        choose_encoding(request.preview, None)
        check_not_input(request.preview, *files_of(request).values())
        if request.preview == output:
            raise OutputError(f"preview {request.preview} is the output too; choose another name")
