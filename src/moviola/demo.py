"""The main job on one clip: probe, read, model, write, measure; and a page that shows it."""

from __future__ import annotations

import html
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from moviola.clip import Clip
from moviola.errors import OutputError
from moviola.film import film
from moviola.frames import Frames
from moviola.media.encoding import choose_encoding
from moviola.media.info import MediaInfo
from moviola.media.write import write
from moviola.model import Event, Events, Note, Result
from moviola.run import run
from moviola.stage import Scene, demo_scene, render
from moviola.tasks import Interpolate, Measure, Remove, Task, request

SECONDS = 5.0
"""How much of a clip the demo takes."""

Step = Generator[Event, None, Any]


@dataclass(frozen=True, slots=True)
class _Take:
    """What the demo works on.

    clip: the input, playable in a browser. marked: a clip with something to remove; mask: where it is;
    truth: the same clip without it. mark: what it is, in words.
    """

    clip: Path
    marked: Path
    mask: Path
    truth: Path
    mark: str


def make(video: str | None, folder: Path, *, scene: Scene | None = None, overwrite: bool = False) -> Events:
    """Fill `folder` with the new videos and `index.html`; the last event's value is that page's path.

    video: the user's own clip, of which the first 5 seconds are taken; None renders `scene`.
    """
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise OutputError(f"{folder} is not empty; choose another folder or pass --overwrite")
        if not (folder / "index.html").exists():
            raise OutputError(f"{folder} holds no earlier demo; choose another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "index.html"
    # By this page a folder is known as a demo's, also where it breaks off.
    index.write_text("<!doctype html><title>Moviola</title>This demo is not finished.", encoding="utf-8")
    work = folder / "work"
    work.mkdir()
    take = (
        _rendered(scene or demo_scene(), folder, work)
        if video is None
        else (yield from _users(video, folder, work))
    )
    source = Clip(take.clip if video is None else video).source.probe(count=video is None)

    smooth, clean = folder / "smooth.mp4", folder / "clean.mp4"
    made = yield from _do(Interpolate, video=take.clip, factor=2, output=smooth)
    cleaned = yield from _do(Remove, video=take.marked, mask=take.mask, output=clean)
    interpolated = yield from _held_out(take.clip, work)
    removed = yield from _recovered(take, clean)

    sections = [
        _section(
            "Interpolate: twice the frames",
            [(take.clip, "input"), (smooth, f"flow, {made.frames} frames in {made.elapsed_seconds:.1f} s")],
            "Every other frame was dropped and made again from its neighbours; compared with the truth:",
            interpolated,
        ),
        _section(
            f"Remove: {take.mark}",
            [
                (take.marked, "input"),
                (clean, f"propagate, {cleaned.frames} frames in {cleaned.elapsed_seconds:.1f} s"),
            ],
            "Compared with the same clip without it:",
            removed,
        ),
    ]
    page = Template((Path(__file__).with_suffix(".html")).read_text(encoding="utf-8"))
    index.write_text(
        page.substitute(name=html.escape(source.name), facts=_facts(source), sections="\n".join(sections)),
        encoding="utf-8",
    )
    shutil.rmtree(work)
    yield Result(index)


def _do(task: type[Task], **fields: Any) -> Step:
    """Pass a request's events on and return its result's value."""
    for event in run(request(task, fields)):
        if isinstance(event, Result):
            return event.value
        yield event
    raise RuntimeError(f"{task.verb} ended without a result")


def _rendered(scene: Scene, folder: Path, work: Path) -> _Take:
    stage = render(scene)
    clip = film(scene, folder / "input.mp4")
    mask, truth = work / "mask.mkv", work / "truth.mkv"
    masks, clean = [], []
    for frames in stage.frames():
        white = np.stack([stage.mask_at(t) for t in frames.pts_seconds])[..., None].repeat(3, axis=-1)
        masks.append(_with(frames, np.where(white, 255, 0).astype(np.uint8)))
        clean.append(_with(frames, np.stack([stage.background_at(t) for t in frames.pts_seconds])))
    write(masks, mask, encoding=choose_encoding(mask, None, codec="ffv1", rate=scene.rate))
    write(clean, truth, encoding=choose_encoding(truth, None, codec="ffv1", rate=scene.rate))
    return _Take(clip, clip, mask, truth, "everything that moves by itself")


def _users(video: str, folder: Path, work: Path) -> Step:
    """The user's clip, its first seconds, and the same with a disc drawn on it that sweeps across."""
    source = Clip(video)
    clip, marked, mask = folder / "input.mp4", folder / "marked.mp4", work / "mask.mkv"
    info = source.info
    if (info.duration_seconds or 0) > SECONDS:
        yield Note(f"the demo takes the first {SECONDS:.0f} s of {info.name}")
    if info.video.width % 2 or info.video.height % 2:
        yield Note("browsers play even sizes only; the demo leaves out the last odd row or column")
    for text in write(
        _first_seconds(source),
        clip,
        encoding=choose_encoding(clip, info, depth=8, alpha=False),
        tracks=source.source,
        span=(info.start_seconds, info.start_seconds + SECONDS),
    ):
        yield Note(text)
    disc = _Disc(Clip(clip))
    write(
        (_with(chunk, disc.drawn(chunk)) for chunk in Clip(clip).chunks()),
        marked,
        encoding=choose_encoding(marked, Clip(clip).info),
    )
    write(
        (_with(chunk, disc.white(chunk)) for chunk in Clip(clip).chunks()),
        mask,
        encoding=choose_encoding(mask, Clip(clip).info, codec="ffv1"),
    )
    return _Take(clip, marked, mask, clip, "a disc drawn over the clip")


def _first_seconds(clip: Clip) -> Iterator[Frames]:
    height, width = clip.height // 2 * 2, clip.width // 2 * 2
    begin = None
    for chunk in clip.chunks():
        begin = chunk.pts_seconds[0] if begin is None else begin
        inside = chunk[chunk.pts_seconds < begin + SECONDS]
        if len(inside):
            yield _with(inside, inside.data[:, :height, :width])
        if len(inside) < len(chunk):
            return


class _Disc:
    """A striped disc that crosses the picture once every four seconds."""

    def __init__(self, clip: Clip) -> None:
        self.radius = max(2.0, min(clip.width, clip.height) / 12)
        self.x, self.y = np.arange(clip.width), np.arange(clip.height)[:, None]

    def mask(self, seconds: float) -> np.ndarray:
        x = self.x[-1] * (0.5 + 0.4 * np.sin(2 * np.pi * seconds / 4))
        y = self.y[-1, 0] * 0.5
        return np.asarray(np.hypot(self.x - x, self.y - y) <= self.radius)

    def white(self, frames: Frames) -> np.ndarray:
        masks = np.stack([self.mask(t) for t in frames.pts_seconds])[..., None].repeat(3, axis=-1)
        return np.where(masks, 255, 0).astype(np.uint8)

    def drawn(self, frames: Frames) -> np.ndarray:
        stripes = np.where((self.x + self.y) // 6 % 2, 230, 60)[None, ..., None]
        return np.where(self.white(frames) > 0, stripes, frames.data).astype(np.uint8)


def _held_out(clip: Path, work: Path) -> Step:
    """Drop every other frame, make it again, compare; rows of (what, PSNR, SSIM)."""
    half, again, blend, truth = (work / f"{name}.mkv" for name in ("half", "again", "blend", "held"))
    lossless = choose_encoding(half, Clip(clip).info, codec="ffv1")
    write(_every_other(Clip(clip)), half, encoding=lossless)
    yield from _do(Interpolate, video=half, factor=2, output=again, codec="ffv1", at_cut="repeat")
    write(_blended(Clip(half)), blend, encoding=lossless)
    # An even number of frames ends on one that was dropped and has no neighbour after it.
    write(Clip(clip).chunks(stop=len(Clip(again).timeline())), truth, encoding=lossless)
    rows = []
    for name, path in (("flow", again), ("mean of both neighbours", blend)):
        row = [name]
        for metric, form in (("psnr", "{:.2f} dB"), ("ssim", "{:.4f}")):
            scores = yield from _do(Measure, metric=metric, video=path, reference=truth)
            row.append(form.format(float(np.mean(scores.per_frame[1::2]))))
        rows.append(row)
    return [["", "PSNR", "SSIM"], *rows]


def _every_other(clip: Clip) -> Iterator[Frames]:
    first = 0
    for chunk in clip.chunks():
        kept = chunk[first::2]
        first = (first + len(chunk)) % 2
        yield Frames(kept.data, kept.pts_seconds, 2 * kept.duration_seconds)


def _blended(clip: Clip) -> Iterator[Frames]:
    singles = (chunk[i : i + 1] for chunk in clip.chunks() for i in range(len(chunk)))
    last = None
    for a, b in pairwise(singles):
        middle = ((a.data.astype(np.uint16) + b.data + 1) // 2).astype(np.uint8)
        step = float(b.pts_seconds[0] - a.pts_seconds[0]) / 2
        times = np.array([a.pts_seconds[0], a.pts_seconds[0] + step])
        yield Frames(np.concatenate([a.data, middle]), times, np.full(2, step))
        last = b
    if last is not None:
        yield last


def _recovered(take: _Take, clean: Path) -> Step:
    rows = []
    for name, path in (("with it", take.marked), ("removed", clean)):
        psnr = yield from _do(Measure, metric="psnr", video=path, reference=take.truth)
        ssim = yield from _do(Measure, metric="ssim", video=path, reference=take.truth)
        flicker = yield from _do(Measure, metric="flicker", video=path)
        rows.append([name, f"{psnr.value:.2f} dB", f"{ssim.value:.4f}", f"{flicker.value:.4f}"])
    return [["", "PSNR", "SSIM", "steadiness"], *rows]


def _with(frames: Frames, data: np.ndarray) -> Frames:
    return Frames(data, frames.pts_seconds, frames.duration_seconds)


def _facts(info: MediaInfo) -> str:
    video = info.video
    rate = f"{float(video.average_rate):.3f} frames/s" if video.average_rate else "no fixed rate"
    sound = f"{info.audio[0].codec} sound" if info.audio else "no sound"
    length = f"{info.duration_seconds:.2f} s" if info.duration_seconds else "unknown length"
    facts = (info.name, video.codec, f"{video.width}×{video.height}", rate, length, sound)
    return html.escape(" · ".join(facts))


def _section(title: str, videos: list[tuple[Path, str]], lead: str, table: list[list[str]]) -> str:
    figures = "".join(
        f'<figure><video src="{path.name}" controls autoplay loop muted playsinline></video>'
        f"<figcaption>{html.escape(text)}</figcaption></figure>"
        for path, text in videos
    )
    rows = "".join(
        "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in [("th", table[0]), *(("td", row) for row in table[1:])]
    )
    return (
        f"<h2>{html.escape(title)}</h2><div class='pair'>{figures}</div>"
        f"<p class='facts'>{html.escape(lead)}</p><table>{rows}</table>"
    )
