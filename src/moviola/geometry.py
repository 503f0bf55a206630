"""What size, length and rate a request means for a model: as asked, or the nearest there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from moviola.card import Limits, ModelCard, Native, Size
from moviola.errors import RequestError
from moviola.tasks import Generate

MOST_CUT = 0.03
"""How much of a picture may be cut off, as a share of one side, without being asked: what rounding costs."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Size in pixels, length in frames, frames per second."""

    width: int
    height: int
    frames: int
    fps: Fraction


def shape_of(request: Generate, card: ModelCard, image: Size | None) -> tuple[Shape, list[str]]:
    """The shape of the video a request asks of a model, and notes on what was chosen.

    image: size of the picture given as first frame, whose shape the video takes where nothing else is asked.
    Raises RequestError naming the nearest that can be done; with `fit` that is taken.
    """
    native = native_of(card)
    notes: list[str] = []
    if request.size is not None:
        size = allowed_size(request.size, card, request.fit, notes)
    elif request.aspect is not None:
        size = size_of_shape(float(request.aspect), card)
        notes.append(f"size: {size[0]}x{size[1]}, the nearest to {request.aspect} at {card.id}'s own area")
    elif image is not None:
        size = size_of_shape(image[0] / image[1], card)
    else:
        size = native.size
    fps = _fps(request, card, notes)
    return Shape(*size, _frames(request, card, fps, notes), fps), notes


def native_of(card: ModelCard) -> Native:
    """What the checkpoint was made for. Raises RequestError for a model that makes no pictures itself."""
    if card.native is None:
        raise RequestError(f"{card.id} makes no videos of its own")
    return card.native


def _fps(request: Generate, card: ModelCard, notes: list[str]) -> Fraction:
    native = Fraction(native_of(card).fps).limit_denominator(1001)
    if request.fps is None or request.fps == native or card.limits.any_fps:
        return request.fps or native
    if not request.fit:
        raise RequestError(
            f"{card.id} makes {float(native):g} frames/s, not {float(request.fps):g}; leave fps out or pass "
            "--fit, and raise the rate afterwards with: moviola interpolate"
        )
    notes.append(f"fps: {float(native):g}, as {card.id} makes them")
    return native


def _frames(request: Generate, card: ModelCard, fps: Fraction, notes: list[str]) -> int:
    limits = card.limits
    if request.seconds is not None:
        frames = max(1, round(request.seconds * fps))
    elif request.frames is not None:
        frames = request.frames
        nearest = valid_frames(frames, limits)
        if frames <= (limits.max_frames or frames) and frames != nearest:
            if not request.fit:
                raise RequestError(f"frames: {card.id} makes {_rule(limits)}; {_near_frames(frames, limits)}")
            frames = nearest
            notes.append(f"frames: {frames}, the nearest to {request.frames} that {card.id} makes")
    else:
        frames = native_of(card).frames
    if limits.max_total_frames is not None and frames > limits.max_total_frames:
        most = limits.max_total_frames
        if not request.fit:
            raise RequestError(
                f"frames: {card.id} makes at most {most} ({most / float(fps):g} s), not {frames}; "
                "ask for less or pass --fit"
            )
        notes.append(f"frames: {most}, the most that {card.id} makes")
        frames = most
    return frames


def _rule(limits: Limits) -> str:
    rule = f"{limits.frame_step}k+{limits.frame_base}" if limits.frame_step > 1 else "any number of"
    least, most = limits.min_frames, limits.max_frames
    if least is not None and least == most:
        return f"{least} frames at a time"
    return f"{rule} frames" + (f", {least or 1} to {most}" if most else f", from {least}" if least else "")


def _near_frames(frames: int, limits: Limits) -> str:
    below, above = valid_frames(frames, limits, down=True), valid_frames(frames, limits, up=True)
    near = " and ".join(str(n) for n in sorted({below, above}))
    return f"the nearest to {frames}: {near}; --fit takes the nearest"


def valid_frames(frames: int, limits: Limits, *, up: bool = False, down: bool = False) -> int:
    """The count a model makes in one piece that is nearest to `frames`; with `up` not below, `down` not above
    it, as far as its limits reach."""
    step, base = limits.frame_step, limits.frame_base
    k = (frames - base) / step
    whole = -int(-k // 1) if up else int(k // 1) if down else int(k + 0.5)
    least = -(-((limits.min_frames or 1) - base) // step)
    most = (limits.max_frames - base) // step if limits.max_frames else max(whole, least)
    return base + step * max(least, min(whole, most))


def allowed_size(size: Size, card: ModelCard, fit: bool, notes: list[str]) -> Size:
    """A size as it is where the model takes it, with `fit` else the nearest, which is added to the notes.

    Raises RequestError naming the nearest.
    """
    if size_fits(size, card.limits):
        return size
    nearest = nearest_size(size, card.limits)
    if not fit:
        raise RequestError(
            f"size: {card.id} does not make {size[0]}x{size[1]}; it takes {_sizes(card.limits)}; "
            f"the nearest is {nearest[0]}x{nearest[1]}, which --fit takes"
        )
    notes.append(f"size: {nearest[0]}x{nearest[1]}, the nearest to {size[0]}x{size[1]} that {card.id} makes")
    return nearest


def _sizes(limits: Limits) -> str:
    if limits.sizes:
        return " or ".join(f"{w}x{h}" for w, h in limits.sizes)
    rules = [f"multiples of {limits.size_multiple}"] if limits.size_multiple > 1 else []
    if limits.min_size:
        rules.append(f"from {limits.min_size[0]}x{limits.min_size[1]}")
    if limits.max_size:
        rules.append(f"up to {limits.max_size[0]}x{limits.max_size[1]}")
    if limits.max_pixels:
        rules.append(f"at most {limits.max_pixels} pixels")
    rules.append(f"sides of at most {limits.max_aspect:g}:1")
    return ", ".join(rules)


def size_fits(size: Size, limits: Limits) -> bool:
    """Whether a model takes this size as it is."""
    if limits.sizes:
        return size in limits.sizes
    low, high = limits.min_size or (1, 1), limits.max_size or size
    return (
        all(side % limits.size_multiple == 0 for side in size)
        and all(least <= side <= most for side, least, most in zip(size, low, high, strict=True))
        and size[0] * size[1] <= (limits.max_pixels or size[0] * size[1])
        and max(size) <= limits.max_aspect * min(size)
    )


def nearest_size(size: Size, limits: Limits) -> Size:
    """The size a model takes that is most like `size`: in shape first, then in area."""
    return min(_candidates(size, limits), key=lambda other: _unlike(size, other))


def size_of_shape(ratio: float, card: ModelCard) -> Size:
    """The size with this width over height that is nearest to the model's own area."""
    width, height = native_of(card).size
    area = width * height
    return nearest_size((round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)), card.limits)


def _less_extreme(size: Size, most: float) -> Size:
    """The size, or where its shape is more extreme than `most`, one of that shape and the same area."""
    width, height = size
    if max(size) <= most * min(size):
        return size
    longer, shorter = round((width * height * most) ** 0.5), round((width * height / most) ** 0.5)
    return (longer, shorter) if width > height else (shorter, longer)


def _unlike(size: Size, other: Size) -> float:
    """How much another size distorts: the share cut off by shape weighs ten times the change of area."""
    area = abs(1 - (other[0] * other[1]) / (size[0] * size[1]))
    return 10 * cut_off(size, other) + area


def _candidates(size: Size, limits: Limits) -> Iterator[Size]:
    """Sizes around the wanted one, shrunk where it is too large, that fit the limits."""
    if limits.sizes:
        yield from limits.sizes
        return
    step = limits.size_multiple
    size = _less_extreme(size, limits.max_aspect)
    low, high = limits.min_size or (step, step), limits.max_size or (10**6, 10**6)
    shrink = min(1.0, high[0] / size[0], high[1] / size[1])
    if limits.max_pixels:
        shrink = min(shrink, (limits.max_pixels / (size[0] * size[1])) ** 0.5)
    grow = max(1.0, low[0] / size[0], low[1] / size[1])
    scale = grow if grow > 1 else shrink
    found = False
    sides = [int(side * scale) // step for side in size]
    for across, down in product(range(-2, 4), repeat=2):
        other = (step * (sides[0] + across), step * (sides[1] + down))
        if min(other) > 0 and size_fits(other, limits):
            found = True
            yield other
    if not found:
        # A shape so far from the model's that only its corners are left: take the nearest side by side.
        clamped = [min(max(side, a), b) // step * step for side, a, b in zip(size, low, high, strict=True)]
        yield (clamped[0] or step, clamped[1] or step)


def cut_off(size: Size, other: Size) -> float:
    """The share of one side of `size` that is lost when it is scaled to cover `other`, 0 to 1."""
    ratio = (size[0] / size[1]) / (other[0] / other[1])
    return 1 - min(ratio, 1 / ratio)


def check_cut(what: str, size: Size, target: Size, *, fit: bool) -> str | None:
    """The note on how a picture of `size` is brought to `target`; None where nothing happens to it.

    Raises RequestError where more than rounding would be cut off and `fit` is not given.
    """
    if size == target:
        return None
    share = cut_off(size, target)
    side = "width" if size[0] * target[1] > target[0] * size[1] else "height"
    told = f"{what}: {size[0]}x{size[1]} scaled to {target[0]}x{target[1]}"
    if share > MOST_CUT and not fit:
        raise RequestError(
            f"{what}: {size[0]}x{size[1]} does not have the shape of {target[0]}x{target[1]}: "
            f"{share:.0%} of its {side} would be cut off; crop it, ask for another size, or pass --fit"
        )
    return f"{told}, {share:.1%} of its {side} cut off" if share > 0.0005 else told
