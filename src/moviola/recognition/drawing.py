"""Charts as SVG, for a page that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from sys import float_info

from moviola.recognition.judging import Counts

_CELL = 26
_NAMED = 60
"""Classes up to which a matrix has names and numbers; beyond, its cells are small and bare."""


def curves(title: str, lines: Sequence[tuple[str, str, Sequence[float]]], best: int) -> str:
    """Curves over epochs 1, 2, 3 …  lines: name, colour, values. best: the epoch that was kept."""
    width, height, left, top = 460, 240, 48, 28
    right, bottom = width - 12, height - 30
    count = max(len(values) for _, _, values in lines)
    low, high, step = _scale([value for _, _, values in lines for value in values])

    def x(epoch: float) -> float:
        return left + (right - left) * ((epoch - 1) / (count - 1) if count > 1 else 0.5)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / (high - low)

    parts = [f'<text x="{left}" y="14">{escape(title)}</text>']
    ticks = round((high - low) / step)
    for number in range(ticks + 1):
        value = low + number * step
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    for epoch in sorted({1, count}):
        anchor = "start" if epoch == 1 else "end"
        parts.append(
            f'<text x="{x(epoch):.1f}" y="{bottom + 18}" text-anchor="{anchor}">epoch {epoch}</text>'
        )
    parts.append(
        f'<line x1="{x(best):.1f}" x2="{x(best):.1f}" y1="{top}" y2="{bottom}" stroke="currentColor" '
        f'stroke-dasharray="2 4"><title>epoch {best} was kept</title></line>'
    )
    place = right
    for name, colour, values in reversed(lines):
        points = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in enumerate(values, 1))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(epoch):.1f}" cy="{y(value):.1f}" r="{2.5 if count < 60 else 1}" fill="{colour}">'
            f"<title>epoch {epoch}: {value:.4g}</title></circle>"
            for epoch, value in enumerate(values, 1)
        ]
        parts.append(
            f'<text x="{place}" y="14" text-anchor="end" style="fill: {colour}">{escape(name)}</text>'
        )
        place -= 8 * len(name) + 12
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'


def _scale(values: Sequence[float]) -> tuple[float, float, float]:
    """Round ends and steps of an axis that holds all values: 1, 2 or 5 times a power of ten."""
    low, high = min(values), max(values)
    # Numbers so small that they have lost their digits are nothing to draw.
    span = max((high - low) or abs(high) or 1.0, float_info.min)
    power = 10.0 ** floor(log10(span / 4))
    step = next(times * power for times in (1, 2, 5, 10) if span / (times * power) <= 5)
    bottom, top = floor(low / step) * step, ceil(high / step) * step
    return (bottom, top, step) if top > bottom else (bottom, bottom + step, step)


def matrix(counts: Counts, names: Sequence[str]) -> str:
    """A heat map of a confusion matrix: what clips are in rows, what they were taken for in columns.

    A cell's colour is its share of the row: blue on the diagonal, red beside it.
    """
    many = len(names) > _NAMED
    cell = 8 if many else _CELL
    margin = 12 if many else min(240, 16 + 7 * max(len(name) for name in names))
    size = cell * len(names)
    parts = [
        f'<rect x="{margin}" y="{margin}" width="{size}" height="{size}" fill="none" stroke="var(--line)"/>'
    ]
    for row, name in enumerate(names):
        total = int(counts[row].sum())
        at = margin + row * cell
        if not many:
            text = escape(_short(name))
            middle = at + cell / 2 + 4
            parts.append(f'<text x="{margin - 8}" y="{middle}" text-anchor="end">{text}</text>')
            parts.append(f'<text transform="translate({middle} {margin - 8}) rotate(-90)">{text}</text>')
        for column in counts[row].nonzero()[0].tolist():
            count = int(counts[row, column])
            share = count / total
            colour = "var(--right)" if row == column else "var(--wrong)"
            left = margin + column * cell
            told = f"{name} taken for {names[column]}: {count} of {total}"
            parts.append(
                f'<rect x="{left}" y="{at}" width="{cell}" height="{cell}" fill="{colour}" '
                f'fill-opacity="{0.15 + 0.85 * share:.2f}"><title>{escape(told)}</title></rect>'
            )
            if not many:
                ink = "white" if share > 0.5 else "currentColor"
                parts.append(
                    f'<text x="{left + cell / 2}" y="{at + cell / 2 + 4}" text-anchor="middle" '
                    f'style="fill: {ink}" pointer-events="none">{count}</text>'
                )
    edge = margin + size + 12
    return (
        f'<svg class="wide" viewBox="0 0 {edge} {edge}" width="{edge}" height="{edge}">{"".join(parts)}</svg>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 32 else f"{name[:31]}…"
