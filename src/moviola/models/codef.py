"""CoDeF (arXiv 2308.07926): a clip becomes one picture and its deformation; edit the picture, see the clip.

Every stretch of a scene is fitted anew, there are no weights. What is fitted is kept, so that the command
that brings the edited picture back does not fit again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from moviola import weights
from moviola.card import Limits, ModelCard, Size, Weights
from moviola.clip import Clip
from moviola.errors import InputError, MissingExtraError, ModelError, OutputError, RequestError
from moviola.frames import Depth, Frames, Pixels
from moviola.generators import changed
from moviola.media.encoding import choose_encoding
from moviola.media.masks import nothing_selected, open_mask
from moviola.media.write import write
from moviola.model import Context, Event, Events, Note, Progress, Recorded, Setup, Window
from moviola.motion import Preset
from moviola.pictures import pictures
from moviola.plan.plan import Plan
from moviola.presets import worded
from moviola.tasks.fields import named

if TYPE_CHECKING:
    from moviola.diffusion.picture_editor import PictureEditor
    from moviola.fields import Fitted
    from moviola.tasks import Edit

CARDS: Sequence[ModelCard] = (
    ModelCard(
        id="codef",
        tasks=("edit",),
        summary="Edit one picture, see the edit in the whole clip: fitted to every clip, without weights.",
        licence="Apache-2.0",
        extra="local",
        limits=Limits(max_depth=16, alpha=True),
        takes=("prompt", "negative_prompt", "reference", "guidance", "strength", "mask"),
        dtype="float32",
        source="https://arxiv.org/abs/2308.07926",
        facts={
            "length": "short shots; longer ones are fitted in stretches, with a picture for each",
            "steps": "50 for each frame of a stretch, 500 to 10,000, each on one whole frame; "
            "16 frames of 96x64 take a minute on two CPU cores",
            "memory": "about 16 KB for each pixel of a frame that is fitted: 2 GB for 480x270",
            "weights": "none but those of the picture's editor, whose licence is its own",
            "seed": "of the picture's editor; a fit of the same clip is the same each time",
        },
    ),
)

QUICK = {"rounds": 1, "side": 32, "keep": False}

_OVERLAP = 8
"""Frames at most that two stretches share on either side of their meeting, and are cross-faded over."""

_SIDE, _SIDE_ON_CPU = 480, 192
"""Pixels of the longer side that are fitted where nothing is asked."""

_SHAPE = 0.01
"""How far a picture's sides may be from the right proportion: what rounding in a painting program costs."""


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    canonical: Annotated[
        Path | None,
        BeforeValidator(named),
        Field(None, description="file to write the picture in that is to be edited: picture.png"),
    ]
    editor: str = Field(
        "timbrooks/instruct-pix2pix",
        description="edits the picture as a prompt says: repository on the Hub or folder, for diffusers",
    )
    window: int = Field(
        60, ge=1, le=1000, description="frames fitted together; a longer scene has several pictures"
    )
    rounds: int | None = Field(
        None, ge=1, le=1000, description="steps for each frame; default 50, and 500 in all at least"
    )
    side: int | None = Field(
        None,
        ge=8,
        le=4096,
        description="pixels of the longer side that are fitted; default 480, on a CPU 192",
    )
    keep: bool = Field(True, description="keep on disk what is fitted, for the command that edits it")
    preset: Preset = Field("best", description="how much work is put into the optical flow")


def load(card: ModelCard, setup: Setup) -> CoDeF:
    """Raises MissingExtraError without torch."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(card.id, "local") from error
    assert setup.plan is not None, f"{card.id} is loaded without a plan"
    return CoDeF(card, setup.plan)


class CoDeF:
    def __init__(self, card: ModelCard, plan: Plan) -> None:
        self._card, self._plan = card, plan
        self._editor: PictureEditor | None = None

    def run(self, request: Edit, options: Options, context: Context) -> Events:
        """Ends with a Note where the mask selects nothing at all.

        Raises RequestError where the request contradicts itself, InputError for pictures that do not fit.
        """
        _check(request, options)
        clip = context.clip
        if _prompted(request) and self._editor is None:
            self._editor = yield from self._read_editor(options.editor)
        side = options.side or (_SIDE_ON_CPU if self._plan.device == "cpu" else _SIDE)
        options = options.model_copy(update={"side": side})
        work = _Work(request, options, self._plan.device, clip, self._editor)
        if work.matched is not None:
            yield Note(work.matched)
        own, fitted = (clip.width, clip.height), fitted_size((clip.width, clip.height), side)
        if fitted != own:
            yield Note(f"fitted at {fitted[0]}x{fitted[1]}, drawn at {own[0]}x{own[1]}; see -O side")
        overlap = min(_OVERLAP, options.window // 4)
        yield from context.each_window(
            work.step, size=options.window, before=overlap, after=overlap, fade=True
        )
        yield from map(Note, work.left_over())

    def _read_editor(self, name: str) -> Generator[Event, None, PictureEditor]:
        """The editor on the device; pulled first where it is not here."""
        from moviola.diffusion.picture_editor import PictureEditor

        local = Path(name).expanduser()
        if not local.is_dir() and name.count("/") != 1:
            raise InputError(f"editor {name} is no folder, and no repository ORG/NAME on the Hub")
        where = Weights(folder=local) if local.is_dir() else Weights(repo=name)
        # Pulling goes by cards: this one is of the editor's weights.
        card = self._card.model_copy(update={"weights": (where,)})
        folders = weights.folders(card)
        if folders is None:
            yield Note(f"pulling {name}")
            folders = yield from weights.pull(card)
        yield Recorded({"editor": weights.origins(card, folders)})
        return PictureEditor.read(folders[0], name, self._plan)


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """What is fitted together.

    frames: (T, H, W, 3). masks: (T, H, W), None where all is to be fitted. place: where its picture goes.
    """

    number: int
    frames: Pixels
    masks: NDArray[np.bool_] | None
    place: Path | None

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.shape[2], self.frames.shape[1]


class _Work:
    """One request's work, stretch by stretch. editor: None without a prompt."""

    def __init__(
        self, request: Edit, options: Options, device: str, clip: Clip, editor: PictureEditor | None
    ) -> None:
        self._request, self._options, self._device, self._editor = request, options, device, editor
        given = request.mask, request.reference
        self._mask = open_mask(given[0], clip.source, whole=True) if given[0] is not None else None
        self._edits = pictures(given[1], "reference") if given[1] is not None else None
        self._selects: dict[int, bool] = {}

    @property
    def matched(self) -> str | None:
        """How masks were matched to frames, where there is anything to tell."""
        return None if self._mask is None else self._mask.matched

    def step(self, window: Window) -> Iterator[Frames | Event]:
        frames = window.frames
        if self._edits is not None:
            _check_count(self._edits, window)
        masks = self._mask.at(window.first, len(frames)) if self._mask is not None else None
        shown = np.ascontiguousarray(frames.data[..., :3])
        stretch = _Stretch(window.number, shown, masks, _canonical_place(self._options, window))
        self._selects[window.number] = masks is None or bool(masks.any())
        if not self._selects[window.number]:
            # A picture of nothing, so that their numbers stay those of the stretches.
            self._write(np.zeros_like(shown[0]), stretch)
            yield frames
            return
        made = yield from self._made(stretch)
        data = frames.data.copy()
        chosen = slice(None) if masks is None else masks
        data[..., :3][chosen] = made[chosen]
        yield Frames(data, frames.pts_seconds, frames.duration_seconds)

    def left_over(self) -> Iterator[str]:
        """What of the request came to nothing. A resumed run knows nothing of the stretches before."""
        reached = max(self._selects, default=-1) + 1
        if self._edits is not None and (given := len(self._edits.timeline())) > reached > 0:
            yield f"reference {self._edits.source.name} holds {given} pictures; the first {reached} are used"
        if self._mask is not None and nothing_selected(self._selects):
            yield f"mask {self._mask.name} selects nothing; the video is unchanged"

    def _made(self, stretch: _Stretch) -> Generator[Event, None, Pixels]:
        """What a stretch's frames become, (T, H, W, 3); outside of its masks anything."""
        import torch

        from moviola.fields import canonical, changed, painted, rendered

        try:
            fitted = yield from self._fitted(stretch)
            picture = canonical(fitted)
            self._write(picture, stretch)
            if self._editor is not None:
                edited = yield from self._edited(picture)
            elif self._edits is not None:
                edited = _picture_of(self._edits, stretch.number, picture)
            else:
                return rendered(fitted)
            return painted(fitted, stretch.frames, changed(picture, edited))
        except torch.OutOfMemoryError as error:
            width, height = stretch.size
            raise ModelError(
                f"memory ran out over {len(stretch.frames)} frames of {width}x{height}; "
                "use a smaller -O side, a shorter -O window, or --device cpu"
            ) from error

    def _fitted(self, stretch: _Stretch) -> Generator[Event, None, Fitted]:
        """The stretch as fields that draw it in its own size: as they were kept, else fitted now and kept."""
        from moviola import __version__
        from moviola.fields import estimated, fit, keeping, suited

        options = self._options
        assert options.side is not None
        small, chosen = shrunk(stretch.frames, stretch.masks, options.side)
        settings = suited(len(small), small.shape[2], small.shape[1])
        if options.rounds is not None:
            settings = replace(settings, steps=options.rounds * len(small))
        made_by = {"settings": asdict(settings), "flow": options.preset, "version": __version__}
        file = keeping.place_of(small, chosen, made_by)
        fitted = keeping.recall(file) if options.keep else None
        if fitted is not None:
            fitted.network.to(self._device)
            told = "fitted before, and kept: nothing is fitted again"
        else:
            self._check_free(stretch)
            pairs, steps = len(small) - 1, settings.steps
            flows = yield from _counted(estimated(small, options.preset), 0, pairs + steps)
            fitting = fit(small, flows, chosen, settings=settings, device=self._device)
            fitted = yield from _counted(fitting, pairs, pairs + steps)
            if options.keep:
                keeping.keep(file, fitted, settings.deformation, settings.canonical)
            told = "what is fitted is kept: the same video with the same options is not fitted again"
        if stretch.number == 0 and options.keep and file.exists():
            yield Note(told)
        return replace(fitted, size=stretch.size)

    def _edited(self, picture: Pixels) -> Generator[Event, None, Pixels]:
        """The picture as the prompt says, of its type."""
        from moviola.diffusion.picture_editor import Change

        request = self._request
        prompt, negative = worded(request.preset, request.prompt, request.negative_prompt)
        assert self._editor is not None
        assert prompt is not None
        change = Change(
            prompt, negative, request.steps, request.guidance, request.strength, seed=request.seed or 0
        )
        shown = np.rint(picture / (np.iinfo(picture.dtype).max / 255)).astype(np.uint8)
        made = yield from _at_end(self._editor.edit(Image.fromarray(shown), change))
        data = np.asarray(made)
        return data if picture.dtype == np.uint8 else data.astype(np.uint16) * 257

    def _check_free(self, stretch: _Stretch) -> None:
        """Raises OutputError, before anything is fitted, where the picture's place is taken.

        Where the fit is kept, the picture may be what an interrupted run left; writing it will tell.
        """
        place = stretch.place
        if place is not None and place.exists() and not self._request.overwrite:
            raise OutputError(f"{place} exists; name another picture, or pass --overwrite")

    def _write(self, picture: Pixels, stretch: _Stretch) -> None:
        """Write the picture where it was asked for. Raises OutputError where there is another one."""
        place = stretch.place
        if place is None:
            return
        depth: Depth = 8 if picture.dtype == np.uint8 else 16
        overwrite = self._request.overwrite
        if place.exists() and not overwrite:
            there = Clip(place).source.frames_at([0], depth=depth).data[0]
            if np.array_equal(there, picture):
                return
        frames = Frames(picture[None], np.zeros(1), np.ones(1))
        write([frames], place, encoding=choose_encoding(place, None, depth=depth), overwrite=overwrite)


def _check(request: Edit, options: Options) -> None:
    if _prompted(request) and request.reference is not None:
        raise RequestError("give a prompt or a reference, not both: either says what the picture becomes")
    if not _prompted(request):
        for name in ("negative_prompt", "guidance", "strength", "steps"):
            if getattr(request, name) is not None:
                raise RequestError(f"{name} is for the picture's editor, which needs a prompt; give one")
    place = options.canonical
    if place is None:
        return
    if place.suffix.lower() != ".png" or "%" in place.name:
        raise RequestError(f"canonical {place}: name a file that ends in .png; several are numbered")
    if request.reference is not None:
        raise RequestError("canonical is the picture before it is edited; leave it out beside a reference")


def _prompted(request: Edit) -> bool:
    return request.prompt is not None or request.preset is not None


def fitted_size(size: Size, side: int) -> Size:
    """Width and height of what is fitted of a clip."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def shrunk(
    frames: Pixels, masks: NDArray[np.bool_] | None, side: int
) -> tuple[Pixels, NDArray[np.bool_] | None]:
    """Frames and masks of at most `side` pixels; a mask keeps every pixel that it selects anything of."""
    height, width = frames.shape[1:3]
    size = fitted_size((width, height), side)
    if size == (width, height):
        return frames, masks
    import cv2

    small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
    if masks is None:
        return small, None
    shares = (cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) for mask in masks)
    return small, np.stack([share > 0 for share in shares])


def _canonical_place(options: Options, window: Window) -> Path | None:
    """Where a stretch's picture goes: as named where there is one alone, else numbered from 1."""
    place = options.canonical
    if place is None or (window.number == 0 and window.ends_clip):
        return place
    return place.with_name(f"{place.stem}-{window.number + 1}{place.suffix}")


def _check_count(edits: Clip, window: Window) -> None:
    """Raises InputError as soon as it shows that there are not pictures enough."""
    given = len(edits.timeline())
    needed = window.number + (1 if window.ends_clip else 2)
    if given < needed:
        raise InputError(
            f"reference {edits.source.name} holds {given} of at least {needed} pictures: the video is fitted "
            "in several stretches; give all their pictures, edited or not: picture-%d.png"
        )


def _picture_of(edits: Clip, number: int, picture: Pixels) -> Pixels:
    """The edited picture of a stretch, as large as the picture was. Raises InputError for another shape."""
    depth: Depth = 8 if picture.dtype == np.uint8 else 16
    edited: Pixels = edits.source.frames_at([number], depth=depth, alpha=True).data[0]
    (height, width), (high, wide) = picture.shape[:2], edited.shape[:2]
    if (wide, high) == (width, height):
        return edited
    # Rounding a side to whole pixels changes the shape a little; painting programs round more.
    if abs(wide * height - high * width) > max(_SHAPE * wide * height, width, height):
        raise InputError(
            f"reference {edits.source.name} is {wide}x{high}, this video's picture is {width}x{height}; "
            "edit the one that -O canonical=picture.png gives"
        )
    import cv2

    kind = cv2.INTER_AREA if wide > width else cv2.INTER_CUBIC
    resized: Pixels = cv2.resize(edited, (width, height), interpolation=kind)
    return resized


def _counted(work: Generator[Progress, None, Any], before: int, total: int) -> Generator[Event, None, Any]:
    """A part of a stretch's work, counted as part of all of it."""
    return changed(work, lambda event: Progress(before + event.done, total, "steps"))


def _at_end(work: Generator[Event, None, Any]) -> Generator[Event, None, Any]:
    """The last of a stretch's work: progress waits there meanwhile."""
    return changed(work, lambda event: Progress(1, 1, "steps") if isinstance(event, Progress) else event)
