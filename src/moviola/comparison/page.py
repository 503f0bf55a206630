"""A web page on which two videos lie over each other, with a divider between them that can be moved."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from string import Template
from urllib.parse import quote

from moviola.comparison.clock import Clock
from moviola.comparison.sides import Layout

WIDEST = 4096
"""Pixels of a video that browsers are sure to play: the most that common hardware decodes of H.264."""

EMBEDDED = 8 * 2**20
"""Bytes of a video that still goes into the page: as text it is a third larger."""


def page(
    video: Path, name: str | None, clock: Clock, layout: Layout, names: tuple[str, str], *, sound: bool
) -> str:
    """The page, which loads nothing from elsewhere.

    video: both sides in one file, so that they can never be at different moments; MP4, laid out as `layout`.
    name: of that file beside the page; None puts it into the page.
    names: of the input and of the result. sound: whether there is any.
    """
    source = f"data:video/mp4;base64,{_text(video)}" if name is None else quote(name)
    facts = {
        "width": layout.width,
        "height": layout.height,
        "shift": layout.shift,
        "times": [round(seconds, 6) for seconds in clock.pts_seconds.tolist()],
        "sound": sound,
        "end": round(float(clock.pts_seconds[-1] + clock.duration_seconds[-1]), 6),
    }
    template = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
    return template.substitute(
        before=html.escape(names[0]),
        after=html.escape(names[1]),
        width=layout.width,
        height=layout.height,
        facts=json.dumps(facts, separators=(",", ":")),
        source=source,
    )


def _text(video: Path) -> str:
    return base64.b64encode(video.read_bytes()).decode()
