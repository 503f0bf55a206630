"""What became of a training, as a page that stands alone and a table beside it."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from moviola.errors import InputError, OutputError
from moviola.recognition.drawing import curves, matrix
from moviola.recognition.judging import Counts, per_class
from moviola.recognition.training import Outcome
from moviola.recognition.views import Picture
from moviola.tasks import Train

PAGE, TABLE = "index.html", "confusion.csv"

_SHOWN = 12
"""Mistakes that are shown with a picture."""

_RIGHT, _WRONG = "var(--right)", "var(--wrong)"


def write(folder: Path, outcome: Outcome, request: Train) -> None:
    """Write `PAGE` and `TABLE` into a folder. Raises OutputError."""
    page = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8")).substitute(
        name=escape(outcome.card.id),
        summary=escape(outcome.card.summary),
        figures=_figures(outcome),
        sections="\n".join(_sections(outcome, request)),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["true \\ recognized", *outcome.data.names])
            rows.writerows(
                [name, *row] for name, row in zip(outcome.data.names, outcome.counts.tolist(), strict=True)
            )
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write in {folder}: {error.strerror}") from error


def _figures(outcome: Outcome) -> str:
    data, best = outcome.data, outcome.best
    assert outcome.card.recognition is not None
    told = [
        (f"{outcome.top1:.1f} %", f"of {len(data.held)} held-out clips are right"),
        *([(f"{outcome.top5:.1f} %", "are among the first five")] if outcome.top5 is not None else []),
        (str(len(data.names)), f"classes, learnt from {len(data.train)} clips"),
        (str(best.number), f"is the best of {len(outcome.history)} epochs"),
        (f"{outcome.card.recognition.temperature:.2f}", "is the temperature of its softmax"),
    ]
    return "".join(f"<div><b>{escape(number)}</b>{escape(text)}</div>" for number, text in told)


def _sections(outcome: Outcome, request: Train) -> Iterable[str]:
    history, counts = outcome.history, outcome.counts
    best = outcome.best.number
    loss = [
        ("learning", _WRONG, [epoch.loss for epoch in history]),
        ("held out", _RIGHT, [epoch.held_loss for epoch in history]),
    ]
    right = [("held out", _RIGHT, [epoch.held_top1 for epoch in history])]
    charts = curves("cross-entropy", loss, best) + curves("percent right", right, best)
    yield _section(
        "How it learnt",
        f'<div class="pair">{charts}</div>',
        "The dotted line is the epoch whose weights were kept. The same held-out clips chose it and give the "
        "figures above, which are a little too good for that.",
    )
    yield _section(
        "What is taken for what",
        f'<div class="scroll">{matrix(counts, outcome.data.names)}</div>',
        f"Rows are what clips show, columns what they were taken for; all numbers are in {TABLE}.",
    )
    yield _section("Classes", _classes(outcome, counts))
    yield _section("Worst mistakes", _mistakes(outcome), "Wrong, and most sure of it.")
    chosen = request.model_dump(mode="json", exclude={"kind", "cache"}, exclude_none=True)
    settings = [[name, str(value)] for name, value in chosen.items()]
    yield _section("Settings", _table(["", ""], settings))
    if outcome.notes:
        yield _section("Notes", "".join(f"<p>{escape(text)}</p>" for text in outcome.notes))


def _section(title: str, content: str, lead: str = "") -> str:
    told = f'<p class="facts">{escape(lead)}</p>' if lead else ""
    return f"<h2>{escape(title)}</h2>{told}{content}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [("th", head), *(("td", row) for row in rows)]
    cells = (
        "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in lines
        if any(row)
    )
    return f'<div class="scroll"><table>{"".join(cells)}</table></div>'


def _classes(outcome: Outcome, counts: Counts) -> str:
    names = outcome.data.names
    learnt = np.bincount(outcome.data.targets(outcome.data.train), minlength=len(names))
    rows = []
    for index, (name, found) in enumerate(zip(names, per_class(counts), strict=True)):
        others = counts[index].copy()
        others[index] = 0
        taken = int(others.argmax())
        mixed = f"{names[taken]} ({others[taken]})" if others[taken] else ""
        shares = (
            "–" if share is None else f"{share:.3f}" for share in (found.precision, found.recall, found.f1)
        )
        rows.append([name, str(learnt[index]), str(found.clips), *shares, mixed])
    head = ["class", "learnt from", "held out", "precision", "recall", "F1", "most often taken for"]
    return _table(head, rows)


def _mistakes(outcome: Outcome) -> str:
    """The clips that were wrong with most certainty, with the middle of each."""
    said = outcome.shares.argmax(axis=1)
    sure = outcome.shares.max(axis=1)
    wrong = [
        index for index in np.argsort(-sure, kind="stable").tolist() if said[index] != outcome.targets[index]
    ]
    if not wrong:
        return "<p>There are none.</p>"
    figures = []
    for index in wrong[:_SHOWN]:
        clip = outcome.data.held[index]
        true = outcome.shares[index, outcome.targets[index]]
        taken = outcome.data.names[said[index]]
        figures.append(
            f"<figure>{_picture(outcome, clip.path)}<figcaption>"
            f'taken for <span class="wrong">{escape(taken)}</span> ({100 * sure[index]:.0f} %)<br>'
            f'is <span class="right">{escape(clip.label)}</span> ({100 * true:.0f} %)<br>'
            f"{escape(clip.path.name)}</figcaption></figure>"
        )
    return f'<div class="mistakes">{"".join(figures)}</div>'


def _picture(outcome: Outcome, path: Path) -> str:
    try:
        view: Picture = outcome.views.of(path)[0]
    except InputError:
        # It could be read a while ago.
        return ""
    file = io.BytesIO()
    Image.fromarray(np.array(view[len(view) // 2])).save(file, "JPEG", quality=85)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}">'
