"""Runs a diffusers pipeline for every family: loads it, calls it shot by shot, gives out frames."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import diffusers
import numpy as np
import torch
from PIL import Image

from moviola.card import ModelCard
from moviola.diffusion.chunks import Chunk, divide, heard, joined, seed_of, timed
from moviola.diffusion.drive import Continuation, Drive, Shot, Tell
from moviola.diffusion.placing import place, unplace
from moviola.diffusion.steps import stepping
from moviola.diffusion.tokenizer import as_written
from moviola.diffusion.watch import Hold, Watch
from moviola.errors import InputError, ModelError
from moviola.frames import Frames, Pixels, quantized
from moviola.geometry import valid_frames
from moviola.media.masks import open_mask
from moviola.model import (
    Committed,
    Context,
    Event,
    Events,
    Note,
    Partial,
    Preview,
    Recorded,
    Setup,
    Sound,
    Window,
)
from moviola.pictures import feathered, fitted, pasted, picture
from moviola.plan.choose import step_down
from moviola.plan.machine import this_machine
from moviola.plan.plan import Job, Plan
from moviola.presets import worded
from moviola.tasks import Edit, Generate, Synthesis, Task
from moviola.weights.quiet import quiet, reading

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_TELLING = ("transformer", "unet", "vae", "text_encoder", "image_encoder")
"""Components by whose class one can tell whose checkpoint it is."""

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def read_components(folder: Path, dtypes: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """All components of a checkpoint in the diffusers layout, in the host's memory, and its settings.

    given: components in place of those in the folder. Reads safetensors and JSON alone: nothing in the folder
    is executed. Raises InputError.
    """
    with reading(folder):
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            str(folder), dtype=dict(dtypes), local_files_only=True, use_safetensors=True, **given
        )
    wanted = inspect.signature(type(pipeline).__init__).parameters
    settings = {name: value for name, value in pipeline.config.items() if name in wanted}
    return settings | {name: as_written(part, folder / name) for name, part in pipeline.components.items()}


class Engine:
    """A loaded model. Everything that differs between families is in its `Drive`."""

    def __init__(self, card: ModelCard, plan: Plan, drive: Drive, components: dict[str, Any]) -> None:
        self._card = card
        self._plan = plan
        self._drive = drive
        self._components = components
        self._schedule = components["scheduler"]
        self._pipeline: Any = None
        self._assembled_for: Any = None

    @classmethod
    def read(cls, card: ModelCard, setup: Setup, drive: Drive) -> Engine:
        assert setup.plan is not None, f"{card.id} is loaded without a plan"
        dtypes = {"default": _DTYPES[setup.plan.dtype]} | dict.fromkeys(drive.float32, torch.float32)
        if drive.components is not None:
            components = drive.components(card, setup, dtypes)
        else:
            components = read_components(setup.folders[0], dtypes)
        return cls(card, setup.plan, drive, components)

    def run(self, request: Task, options: Any, context: Context) -> Events:
        """Make the video of a settled request: one whose size, length, steps and seed are filled in."""
        if isinstance(request, Edit):
            yield from self._edit(request, options, context)
        elif isinstance(request, Generate):
            yield from self._generate(request, options, context)
        else:
            raise TypeError(f"{self._card.id} has no way to do a {type(request).__name__}")

    def _generate(self, request: Generate, options: Any, context: Context) -> Events:
        assert request.frames is not None
        shot = self._shot(request, frames=request.frames, fps=float(request.fps or 1))
        yield from map(Note, self._cut_prompts(shot))
        continuation = self._continuation(shot)
        chunks, overlap = self._chunks(request.frames, continuation)
        if len(chunks) > 1:
            text = f"made in {len(chunks)} chunks of at most {chunks[0].frames} frames that share {overlap}"
            yield Note(text)
            yield Recorded({"chunks": [_record(chunk, shot.seed) for chunk in chunks]})
        known = context.place.tail
        for chunk in chunks[context.place.number :]:
            is_last = chunk is chunks[-1]
            asked = self._asked(shot, chunk, known, continuation, is_last=is_last)
            made, sound = yield from self._shoot(
                asked, options, look=request.preview is not None, before=chunk.number, of=len(chunks)
            )
            made = joined(made, known.data if known is not None else None)[: chunk.keep]
            final = made if is_last else made[: len(made) - overlap]
            stop = chunk.start + len(final)
            known = None if is_last else timed(made[len(final) :], stop, shot.fps)
            yield Partial(timed(final, chunk.start, shot.fps))
            if sound is not None:
                yield heard(sound, len(final) / shot.fps, (len(made) - len(final)) / shot.fps)
            yield Committed(chunk.number, stop, known)

    def _continuation(self, shot: Shot) -> Continuation:
        chosen = self._drive.continuation
        return chosen(self._card, shot) if callable(chosen) else chosen

    def _chunks(self, frames: int, continuation: Continuation) -> tuple[list[Chunk], int]:
        limits = self._card.limits
        if continuation == "whole":
            made = valid_frames(frames, limits.model_copy(update={"max_frames": None}), up=True)
            return [Chunk(0, 0, made, 0, frames)], 0
        overlap = 1 if continuation == "image" else self._drive.overlap
        return divide(frames, limits, overlap), overlap

    def _asked(
        self, shot: Shot, chunk: Chunk, known: Frames | None, continuation: Continuation, *, is_last: bool
    ) -> Shot:
        """The shot of a chunk: begins where the one before ends; only the last ends on `last_image`."""
        asked = replace(shot, frames=chunk.frames, seed=seed_of(shot.seed, chunk.number))
        if not is_last:
            asked = replace(asked, last_image=None)
        if known is None:
            return asked
        if continuation == "image":
            return replace(asked, image=Image.fromarray(known.data[-1]))
        # A model that begins with an image begins with the first of the frames that it is held to.
        goes_on = continuation == "latents" and shot.image is not None
        return replace(asked, image=Image.fromarray(known.data[0]) if goes_on else None, known=known)

    def _edit(self, request: Edit, options: Any, context: Context) -> Events:
        first = self._shot(request, frames=0, fps=float(context.clip.info.video.average_rate or 25))
        yield from map(Note, self._cut_prompts(first))
        mask = open_mask(request.mask, context.clip.source) if request.mask is not None else None
        if mask is not None and mask.matched is not None:
            yield Note(mask.matched)
        size = (first.width, first.height)
        look = request.preview is not None

        def step(window: Window) -> Iterator[Frames | Event]:
            count = len(window.frames)
            needed = valid_frames(count, self._card.limits, up=True)
            last = [count - 1] * (needed - count)
            video = [fitted(Image.fromarray(data), size) for data in window.frames.data]
            masks = None
            if mask is not None:
                chosen = mask.at(window.first, count).astype(np.uint8) * 255
                masks = [
                    fitted(Image.fromarray(one), size).point(lambda v: 255 * (v > 127)) for one in chosen
                ]
                masks += [masks[index] for index in last]
            shot = replace(
                first,
                frames=needed,
                seed=seed_of(first.seed, window.number),
                video=video + [video[index] for index in last],
                masks=masks,
            )
            made, _ = yield from self._shoot(shot, options, look=look)
            if masks is not None:
                # The codec changes every pixel a little: what was not to be changed is put back.
                parts = zip(made, video, masks, strict=False)
                made = np.stack([pasted(new, old, feathered(chosen)) for new, old, chosen in parts])
            yield Frames(made[:count], window.frames.pts_seconds, window.frames.duration_seconds)

        most = self._card.limits.max_frames or 64
        side = min(self._drive.overlap * 2, most // 4)
        yield from context.each_window(step, size=most - 2 * side, before=side, after=side, fade=True)

    def _shot(self, request: Synthesis, *, frames: int, fps: float) -> Shot:
        """What a request says of every call; the frames of an edit are filled in window by window."""
        assert request.size is not None
        assert request.steps is not None
        assert request.seed is not None

        def opened(name: str) -> Image.Image | None:
            origin = getattr(request, name, None)
            return None if origin is None else fitted(picture(origin, name), (width, height))

        width, height = request.size
        reference = request.reference
        prompt, negative = worded(request.preset, request.prompt, request.negative_prompt)
        return Shot(
            verb=request.verb,
            width=width,
            height=height,
            frames=frames,
            fps=fps,
            steps=request.steps,
            seed=request.seed,
            guidance=request.guidance,
            prompt=prompt,
            negative_prompt=negative if "negative_prompt" in self._card.takes else None,
            image=opened("image"),
            reference=picture(reference, "reference") if reference is not None else None,
            last_image=opened("last_image"),
            strength=getattr(request, "strength", None),
            motion=getattr(request, "motion", None),
            sound=request.audio,
        )

    def _cut_prompts(self, shot: Shot) -> Iterator[str]:
        """What of the prompts the model does not read."""
        most = self._card.limits.max_prompt_tokens
        tokenizer = self._components.get(self._drive.tokenizers[0]) if self._drive.tokenizers else None
        if most is None or tokenizer is None:
            return
        for name, text in (("prompt", shot.prompt), ("negative prompt", shot.negative_prompt)):
            room = most - tokenizer.num_special_tokens_to_add()
            tokens = tokenizer(text, add_special_tokens=False, truncation=False).input_ids if text else []
            if len(tokens) > room:
                rest = tokenizer.decode(tokens[room:]).strip()
                yield f"the {name} has {len(tokens)} tokens, {self._card.id} reads {room}; not read: {rest!r}"

    def _shoot(
        self, shot: Shot, options: Any, *, look: bool, before: int = 0, of: int = 1
    ) -> Generator[Event, None, tuple[Pixels, Sound | None]]:
        """One call of the model, again on a leaner plan where memory runs out.

        Returns (T, H, W, 3) uint8, and the sound where the model makes it and it is wanted.

        before, of: how many calls have been made and will be made in all, for the progress.
        """
        while True:
            try:
                return (yield from stepping(lambda tell: self._call(shot, options, tell, look, before, of)))
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                plan = self._leaner(shot)
            # Outside of the handler, whose traceback would keep the tensors of the failed call alive.
            self._replace(plan)
            yield Note(f"memory ran out; going on so: {'; '.join(plan.reasons)}")
            yield Recorded({"plan": plan.settings()})

    def _leaner(self, shot: Shot) -> Plan:
        job = Job(shot.width, shot.height, shot.frames, shot.steps, guided=(shot.guidance or 0) > 1)
        plan = step_down(self._plan, self._card, job, this_machine(self._plan.device))
        if plan is None:
            raise ModelError(
                f"{self._card.id} does not fit into the memory of {self._plan.device} at "
                f"{shot.width}x{shot.height}, {shot.frames} frames, however lean; ask for less of either"
            )
        return plan

    def _replace(self, plan: Plan) -> None:
        if self._pipeline is not None:
            unplace(self._pipeline)
            self._pipeline = None
        self._plan = plan
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _call(
        self, shot: Shot, options: Any, tell: Tell, look: bool, before: int, of: int
    ) -> tuple[Pixels, Sound | None]:
        with quiet():
            pipeline = self._assembled(shot, options, tell)
            if self._drive.prepare is not None:
                self._drive.prepare(pipeline, shot, options)
        generator = torch.Generator("cpu").manual_seed(shot.seed)
        arguments = dict(self._drive.arguments(self._card, shot, options))
        rounds = self._drive.rounds(self._card, shot, options)
        watch = Watch(
            tell,
            f"{self._card.id} in {self._plan.dtype}",
            before=before * rounds,
            of=of * rounds,
            hold=self._hold(pipeline, shot),
            look=self._looker(pipeline, shot, tell) if look else None,
        )
        if "callback_on_step_end" in inspect.signature(pipeline.__call__).parameters:
            arguments["callback_on_step_end"] = watch
        else:
            watch.follow(pipeline)
        with quiet(), self._seeded(shot.seed):
            output = pipeline(**arguments, generator=generator, output_type="np")
        heard_as = self._drive.sound if shot.sound else None
        sound = Sound(*heard_as(pipeline, output)) if heard_as is not None else None
        return quantized(np.asarray(output.frames[0]), 8, source=self._card.id), sound

    @contextmanager
    def _seeded(self, seed: int) -> Iterator[None]:
        """Some pipelines draw from the global generator too, which is put back after."""
        devices = [self._plan.device] if self._plan.device.startswith("cuda") else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield

    def _assembled(self, shot: Shot, options: Any, tell: Tell) -> Any:
        """The pipeline for a shot, on its device, with a scheduler that has not run yet."""
        name = self._drive.pipeline(self._card, shot, options)
        wish = (name, self._drive.variant(shot, options))
        if self._pipeline is None or wish != self._assembled_for:
            if self._pipeline is not None:
                unplace(self._pipeline)
            components = self._components
            if self._drive.adapt is not None:
                components = self._drive.adapt(self._card, components, shot, options, tell)
            kind = getattr(diffusers, name)
            wanted = inspect.signature(kind.__init__).parameters
            self._check_fit(name, wanted, components)
            self._pipeline = kind(**{n: c for n, c in components.items() if n in wanted})
            self._assembled_for = wish
            self._pipeline.set_progress_bar_config(disable=True)
            with quiet():
                notes = place(self._pipeline, self._plan)
            for text in notes:
                tell(Note(text))
        self._pipeline.scheduler = type(self._schedule).from_config(self._schedule.config)
        return self._pipeline

    def _check_fit(
        self, name: str, wanted: Mapping[str, inspect.Parameter], components: Mapping[str, Any]
    ) -> None:
        """Raises InputError where the checkpoint is that of another model."""
        for part, parameter in wanted.items():
            have = components.get(part)
            kinds = get_args(parameter.annotation) or (parameter.annotation,)
            kinds = tuple(
                kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, torch.nn.Module)
            )
            missing = have is None and parameter.default is inspect.Parameter.empty and part != "self"
            if part in _TELLING and (missing or (have is not None and kinds and not isinstance(have, kinds))):
                found = "none" if have is None else f"a {type(have).__name__}"
                raise InputError(
                    f"these weights are not those of {self._card.id}: its {name} needs as {part} a "
                    f"{' or '.join(kind.__name__ for kind in kinds) or 'network'}, they hold {found}"
                )

    def _hold(self, pipeline: Any, shot: Shot) -> Hold | None:
        if shot.known is None or self._drive.encode is None:
            return None
        with torch.no_grad():
            clean = self._drive.encode(pipeline, video_tensor(shot.known.data), shot).float().cpu()
        pipeline.maybe_free_model_hooks()
        noise = torch.randn(clean.shape, generator=torch.Generator("cpu").manual_seed(seed_of(shot.seed, -1)))
        return Hold(clean, noise, self._drive.time_axis)

    def _looker(self, pipeline: Any, shot: Shot, tell: Tell) -> Callable[[Any], None] | None:
        decode = self._drive.decode
        if decode is None:
            return None

        def look(latents: Any) -> None:
            with torch.no_grad():
                pictures = decode(pipeline, latents, shot)
            data = (pictures.nan_to_num() * 255).round().byte().cpu().numpy()
            tell(Preview(timed(data, 0, shot.fps)))

        return look


def _record(chunk: Chunk, seed: int) -> dict[str, int]:
    return {"start": chunk.start, "frames": chunk.frames, "seed": seed_of(seed, chunk.number)}


def video_tensor(data: Pixels) -> torch.Tensor:
    """(T, H, W, 3) uint8 → (1, 3, T, H, W) float32 in -1 to 1."""
    return torch.from_numpy(data.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error).lower() for words in _OUT_OF_MEMORY
    )
