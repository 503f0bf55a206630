"""Short rendered scenes that come with the truth: masks, flow, clean background, any moment in time.

Everything is a closed formula of continuous time, so nothing here is estimated. A `Scene` is a row of
`Shot`s joined by cuts; a shot is a textured ground under a moving camera with `Sprite`s on it, the later
ones in front. Positions are pixels, x to the right and y down; a pixel's centre lies at its integer
coordinates, and the origin of a shot's ground lies in the middle of the picture when its camera stands still.

The plane is kept in complex numbers: x + iy, so that turn, zoom and shift of a `Motion` are one `a·z + b`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, hypot, log, log2, pi, radians
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moviola.frames import Frames, Mask

Shape = Literal["disc", "square", "star"]

TEXELS = 2
"""Texels of a ground per pixel at zoom 1: fine enough that bilinear sampling hardly blurs."""

_FINEST = 4
"""Texels between the grains of the finest noise octave; a finer one would alias at whole pixels."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where something is at a time t, counted in seconds from the start of its shot.

    position: x, y at t = 0, in pixels.  velocity: pixels per second.
    sway: amplitude x, y in pixels of a sine of `period` seconds laid over the straight line.
    turn, spin: degrees at t = 0 and per second, clockwise.
    size, growth: scale at t = 0, and the factor by which it grows each second.
    """

    position: tuple[float, float] = (0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    sway: tuple[float, float] = (0.0, 0.0)
    period: float = 2.0
    turn: float = 0.0
    spin: float = 0.0
    size: float = 1.0
    growth: float = 1.0

    def pose(self, t: float) -> _Pose:
        place = complex(*self.position) + complex(*self.velocity) * t
        place += complex(*self.sway) * np.sin(2 * pi * t / self.period)
        scale = self.size * np.exp(log(self.growth) * t)
        return _Pose(complex(scale * np.exp(1j * radians(self.turn + self.spin * t))), complex(place))


@dataclass(frozen=True, slots=True)
class _Pose:
    """The map z → a·z + b from a layer's own plane to the plane around it."""

    a: complex
    b: complex

    def __call__(self, z: Any) -> Any:
        return self.a * z + self.b

    def back(self, z: Any) -> Any:
        return (z - self.b) * (1 / self.a)

    def within(self, outer: _Pose) -> _Pose:
        return _Pose(outer.a * self.a, outer(self.b))

    def inverse(self) -> _Pose:
        return _Pose(1 / self.a, -self.b / self.a)


@dataclass(frozen=True, slots=True)
class Sprite:
    """A textured, opaque figure on the ground.

    radius: pixels at scale 1, of the disc, of the star's tips, and half the side of the square.
    colour: R, G, B in 0–1.  motion: on the ground, so that a sprite that stands still moves with the camera.
    """

    shape: Shape
    radius: float
    colour: tuple[float, float, float]
    motion: Motion
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Shot:
    """One take. camera: how the viewer moves over the ground (a camera that grows zooms out).

    ground: seed of the background's texture.  sprites: back to front.
    """

    seconds: float
    ground: int = 0
    camera: Motion = Motion()
    sprites: tuple[Sprite, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """size: width, height in pixels.  rate: frames per second.  shots: joined by hard cuts."""

    shots: tuple[Shot, ...]
    size: tuple[int, int] = (640, 360)
    rate: Fraction = Fraction(25)
    caption: str = ""

    @property
    def seconds(self) -> float:
        return sum(shot.seconds for shot in self.shots)

    @property
    def cuts(self) -> tuple[float, ...]:
        """The times at which a new shot starts, without the first."""
        return tuple(np.cumsum([shot.seconds for shot in self.shots])[:-1].tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """True motion from one frame to the next.

    vectors: (H, W, 2) float32, x and y in pixels: what is at p here is at p + vectors[p] in the next frame.
    valid: (H, W) bool, False where it is hidden or out of the picture there, or where a cut lies between.
    """

    vectors: NDArray[np.float32]
    valid: NDArray[np.bool_]


def render(scene: Scene) -> Stage:
    return Stage(scene)


class Stage:
    """A scene ready to be looked at. Pictures are uint8 RGB (H, W, 3), made when they are asked for."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.width, self.height = scene.size
        self._starts = (0.0, *scene.cuts)
        self._takes = [_Take(shot, self.width, self.height) for shot in scene.shots]

    def __len__(self) -> int:
        return ceil(self.scene.seconds * self.scene.rate - 1e-9)

    @property
    def caption(self) -> str:
        return self.scene.caption

    @property
    def cut_frames(self) -> tuple[int, ...]:
        """Indices of the frames that start a new shot, without frame 0."""
        return tuple(ceil(cut * self.scene.rate - 1e-9) for cut in self.scene.cuts)

    def time_of(self, index: int) -> float:
        return float(index / self.scene.rate)

    def frames(self, start: int = 0, stop: int | None = None, *, chunk: int = 16) -> Iterator[Frames]:
        """Frames [start, stop), at most `chunk` at a time."""
        stop = len(self) if stop is None else min(stop, len(self))
        for first in range(start, stop, chunk):
            pts = self._pts(first, min(first + chunk, stop))
            data = np.stack([self.frame_at(t) for t in pts])
            yield Frames(data, pts, np.full(len(pts), float(1 / self.scene.rate)))

    def masks(self, start: int = 0, stop: int | None = None) -> Mask:
        """`mask_at` for the frames [start, stop)."""
        pts = self._pts(start, len(self) if stop is None else min(stop, len(self)))
        data = np.empty((len(pts), self.height, self.width), np.bool_)
        for row, t in zip(data, pts, strict=True):
            row[:] = self.mask_at(t)
        return Mask(data, pts, np.full(len(pts), float(1 / self.scene.rate)))

    def frame_at(self, t: float) -> NDArray[np.uint8]:
        """The true picture at any time in seconds, between frames too."""
        take, local = self._take(t)
        return take.picture(local, sprites=True)

    def background_at(self, t: float) -> NDArray[np.uint8]:
        """The same picture without sprites: what a perfect removal gives."""
        take, local = self._take(t)
        return take.picture(local, sprites=False)

    def mask_at(self, t: float) -> NDArray[np.bool_]:
        """(H, W) True wherever a sprite adds to a pixel, were it only a soft edge."""
        take, local = self._take(t)
        return take.mask(local)

    def labels_at(self, t: float) -> NDArray[np.uint8]:
        """(H, W) what the centre of each pixel shows: 0 the ground, k the k-th sprite of the shot."""
        take, local = self._take(t)
        return take.labels(local, take.grid)

    def flow(self, index: int) -> Flow:
        """True flow from frame `index` to `index + 1`."""
        here, there = self.time_of(index), self.time_of(index + 1)
        take, t0 = self._take(here)
        after, _ = self._take(there)
        vectors, visible = take.flow(t0, t0 + there - here)
        return Flow(vectors, visible if after is take else np.zeros_like(visible))

    def _pts(self, start: int, stop: int) -> NDArray[np.float64]:
        return np.array([self.time_of(index) for index in range(start, stop)], np.float64)

    def _take(self, t: float) -> tuple[_Take, float]:
        number = max(0, int(np.searchsorted(self._starts, t + 1e-9, side="right")) - 1)
        return self._takes[number], t - self._starts[number]


class _Take:
    """One shot, with the textures it needs."""

    def __init__(self, shot: Shot, width: int, height: int) -> None:
        self.shot = shot
        self.centre = complex((width - 1) / 2, (height - 1) / 2)
        x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        self.grid: NDArray[np.complex64] = (x + 1j * y).astype(np.complex64)

    @cached_property
    def ground(self) -> NDArray[np.float32]:
        height, width = self.grid.shape
        # A view never sees the tile repeat itself unless the camera zooms out.
        return texture(self.shot.ground, tile=_power_of_two(TEXELS * hypot(width, height)))

    @cached_property
    def skins(self) -> list[NDArray[np.float32]]:
        skins = []
        for sprite in self.shot.sprites:
            grain = texture(
                sprite.seed + 7919, tile=_power_of_two(TEXELS * 2 * sprite.radius), structures=False
            )
            shade = grain.mean(axis=0)
            shade = 1 + 0.8 * (shade - shade.mean()) / 255
            paint = 60 + 180 * np.array(sprite.colour, np.float32)[:, None, None]
            skins.append(np.clip(shade * paint, 0, 255))
        return skins

    def poses(self, t: float) -> list[_Pose]:
        """Of the ground and of each sprite: from the layer's plane to the picture."""
        eye = self.shot.camera.pose(t).inverse()
        eye = _Pose(eye.a, eye.b + self.centre)
        return [eye, *(sprite.motion.pose(t).within(eye) for sprite in self.shot.sprites)]

    def picture(self, t: float, *, sprites: bool) -> NDArray[np.uint8]:
        ground, *others = self.poses(t)
        canvas = sample(self.ground, ground.back(self.grid))
        layers = zip(self.shot.sprites, others, self.skins, strict=True) if sprites else ()
        for sprite, pose, skin in layers:
            box = self._box(sprite, pose)
            local = pose.back(self.grid[box])
            part = canvas[:, *box]
            part += _coverage(sprite, local, pose) * (sample(skin, local) - part)
        canvas += 0.5
        picture = np.empty((*self.grid.shape, 3), np.uint8)
        np.copyto(picture.transpose(2, 0, 1), canvas, casting="unsafe")
        return picture

    def mask(self, t: float) -> NDArray[np.bool_]:
        covered = np.zeros(self.grid.shape, np.bool_)
        for sprite, pose in zip(self.shot.sprites, self.poses(t)[1:], strict=True):
            box = self._box(sprite, pose)
            covered[box] |= _coverage(sprite, pose.back(self.grid[box]), pose) > 0
        return covered

    def labels(self, t: float, at: NDArray[np.complex64]) -> NDArray[np.uint8]:
        labels = np.zeros(at.shape, np.uint8)
        for number, (sprite, pose) in enumerate(zip(self.shot.sprites, self.poses(t)[1:], strict=True), 1):
            labels[_distance(sprite, pose.back(at)) <= 0] = number
        return labels

    def flow(self, t0: float, t1: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        labels = self.labels(t0, self.grid)
        target = np.empty_like(self.grid)
        for number, (before, after) in enumerate(zip(self.poses(t0), self.poses(t1), strict=True)):
            here = labels == number
            target[here] = after(before.back(self.grid[here]))
        height, width = self.grid.shape
        inside = (
            (target.real >= 0) & (target.real <= width - 1) & (target.imag >= 0) & (target.imag <= height - 1)
        )
        moved = target - self.grid
        visible = inside & (self.labels(t1, target) == labels)
        return np.stack([moved.real, moved.imag], axis=-1), visible

    def _box(self, sprite: Sprite, pose: _Pose) -> tuple[slice, slice]:
        """The part of the picture a sprite can touch."""
        height, width = self.grid.shape
        reach = 1.5 * sprite.radius * abs(pose.a) + 1
        x, y = pose.b.real, pose.b.imag
        left, right = np.clip([x - reach, x + reach + 1], 0, width).astype(int)
        top, bottom = np.clip([y - reach, y + reach + 1], 0, height).astype(int)
        return slice(top, bottom), slice(left, right)


def _distance(sprite: Sprite, z: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Roughly how far outside of the figure a point of its own plane lies, in pixels; negative inside."""
    if sprite.shape == "disc":
        return np.asarray(np.abs(z) - sprite.radius)
    if sprite.shape == "square":
        return np.asarray(np.maximum(np.abs(z.real), np.abs(z.imag)) - sprite.radius)
    rim = sprite.radius * (0.75 + 0.25 * np.cos(5 * np.angle(z)))
    return np.asarray(np.abs(z) - rim)


def _coverage(sprite: Sprite, z: NDArray[np.complex64], pose: _Pose) -> NDArray[np.float32]:
    """How much of each pixel the figure covers: an edge one pixel wide, 0–1."""
    return np.asarray(np.clip(0.5 - _distance(sprite, z) * np.float32(abs(pose.a)), 0, 1))


def sample(tile: NDArray[np.float32], z: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Bilinear look-up in an endless plane paved with `tile` (3, side, side), side a power of two.

    z: (H, W) places in pixels.  Returns (3, H, W).
    """
    out = np.empty((len(tile), *z.shape), np.float32)
    for band in range(0, len(z), 32):  # few enough rows to stay in the processor's cache
        _sample_band(tile, z[band : band + 32], out[:, band : band + 32])
    return out


def _sample_band(tile: NDArray[np.float32], z: NDArray[np.complex64], out: NDArray[np.float32]) -> None:
    side = tile.shape[1]
    x, y = z.real * TEXELS, z.imag * TEXELS
    left, top = np.floor(x), np.floor(y)
    across, down = x - left, y - top
    column, row = left.astype(np.intp), top.astype(np.intp)
    columns = column & (side - 1), (column + 1) & (side - 1)
    rows = (row & (side - 1)) * side, ((row + 1) & (side - 1)) * side
    corners = [(r + columns[0], r + columns[1]) for r in rows]
    for plane, values in zip(tile.reshape(len(tile), -1), out, strict=True):
        upper, lower = (_between(plane.take(a), plane.take(b), across) for a, b in corners)
        values[:] = _between(upper, lower, down)


def _between(
    a: NDArray[np.float32], b: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """From a to b by `share`, in the memory of b."""
    b -= a
    b *= share
    b += a
    return b


def texture(seed: int, *, tile: int, structures: bool = True) -> NDArray[np.float32]:
    """A square that paves the plane without seams: (3, tile, tile) float32 in 0–255.

    Value noise in octaves, from the whole tile down to a few pixels, coloured along a gradient of three
    colours; then, with `structures`, soft-edged discs and bars, so that there are edges to hold on to.
    """
    rng = np.random.default_rng(seed)
    share = np.clip(0.5 + 0.42 * _octaves(rng, tile), 0, 1)
    dark, middle, light = _palette(rng)
    paint = np.stack(
        [np.interp(share, [0, 0.5, 1], tones) for tones in zip(dark, middle, light, strict=True)]
    )
    if structures:
        _scatter(rng, paint, count=max(6, (tile // 128) ** 2 // 2))
    paint *= 1 + 0.16 * _octaves(rng, tile)
    return np.asarray(np.clip(255 * paint, 0, 255), np.float32)


def _octaves(rng: np.random.Generator, tile: int) -> NDArray[np.float32]:
    """Value noise of mean 0 and deviation 1: grains on a lattice that is smoothly doubled again and again."""
    field = rng.standard_normal((4, 4), np.float32)
    while len(field) < tile:
        for axis in (0, 1):
            field = _doubled(field, axis)
        if len(field) * _FINEST <= tile:
            field += 1.6 * len(field) ** -0.5 * rng.standard_normal(field.shape, np.float32)
    field -= field.mean()
    return np.asarray(field / field.std())


def _doubled(field: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Twice the samples along a closed axis: a step of cubic B-spline subdivision (Lane, Riesenfeld 1980)."""
    after = np.roll(field, -1, axis)
    between = (field + after) / 2
    at = (between + np.roll(between, 1, axis)) / 2
    doubled = np.stack([at, between], axis=axis + 1)
    shape = list(field.shape)
    shape[axis] *= 2
    return doubled.reshape(shape)


def _palette(rng: np.random.Generator) -> NDArray[np.float32]:
    """Three colours from dark to light whose hues lie near each other."""
    hue = rng.random() + np.array([0, 0.08, 0.2])
    phase = 2 * pi * (hue[:, None] + np.array([0, 1 / 3, 2 / 3]))
    level = np.array([0.22, 0.5, 0.85])[:, None]
    return np.asarray(level + 0.18 * np.cos(phase), np.float32)


def _scatter(rng: np.random.Generator, paint: NDArray[np.float32], count: int) -> None:
    """Lay discs and bars on a closed tile, in place."""
    tile = paint.shape[1]
    for _ in range(count):
        length = tile * rng.uniform(0.01, 0.05)
        breadth = length * rng.choice([0.25, 1.0])
        angle, tone = rng.uniform(0, pi), rng.uniform(0.1, 0.95, (3, 1, 1))
        reach = ceil(length + 2)
        steps = np.arange(-reach, reach + 1)
        z = (steps + 1j * steps[:, None]) * np.exp(-1j * angle)
        beyond = np.abs(z - np.clip(z.real, breadth - length, length - breadth)) - breadth
        cover = 0.65 * np.clip(0.5 - beyond / TEXELS, 0, 1)
        rows, columns = ((steps + rng.integers(tile)) % tile for _ in range(2))
        spot = np.ix_(range(3), rows, columns)
        paint[spot] += cover * (tone - paint[spot])


def _power_of_two(least: float) -> int:
    return 1 << max(4, ceil(log2(least)))


def demo_scene(
    seconds: float = 6, size: tuple[int, int] = (640, 360), fps: Fraction | int = 25, seed: int = 0
) -> Scene:
    """A disc and a star cross under a panning camera; after a cut, a square turns as the camera moves in."""
    unit = size[1] / 360
    first = seconds * 0.6
    cross = 260 * unit / first  # both start 130 units from the middle and end as far on the other side
    pan = 40 * unit
    disc = Sprite(
        "disc",
        52 * unit,
        (0.95, 0.35, 0.2),
        Motion((-130 * unit, -20 * unit), (pan + cross, 0), sway=(0, 28 * unit), spin=-40),
        seed=seed + 1,
    )
    star = Sprite(
        "star",
        70 * unit,
        (1.0, 0.85, 0.25),
        Motion((130 * unit, 25 * unit), (pan - cross, 0), sway=(0, -22 * unit), period=3, spin=60),
        seed=seed + 2,
    )
    square = Sprite(
        "square",
        44 * unit,
        (0.3, 0.6, 1.0),
        Motion((-90 * unit, 0), (75 * unit, 10 * unit), turn=20, spin=45),
        seed=seed + 3,
    )
    shots = (
        Shot(first, ground=seed, camera=Motion(velocity=(pan, 0)), sprites=(disc, star)),
        Shot(seconds - first, ground=seed + 100, camera=Motion(spin=3, growth=0.95), sprites=(square,)),
    )
    caption = (
        "A red disc and a yellow star cross each other; after a cut, a blue square turns as it drifts right."
    )
    return Scene(shots, size, Fraction(fps), caption)
