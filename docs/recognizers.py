# ruff: noqa: E501  (rows of tables)
"""Writes docs/recognizers.md from the cards and counts on the meta device: `python docs/recognizers.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from moviola import registry
from moviola.card import ModelCard
from moviola.recognition.cost import Cost, cost

PAGE = Path(__file__).parent / "recognizers.md"

HEAD = """\
# Recognizers

Parameters and multiply-adds (10⁹, of one view; papers call them GFLOPs) are counted by `moviola models cost`
on the network itself, without weights. *Published* is what the authors say, with their source on the card
(`moviola models show ID`); where they say nothing there is a dash. Top-1 and top-5 are published figures in
percent, none of them is ours; views are clips × crops.

| model | input | parameters, M | multiply-adds | published | data set | top-1 | top-5 | views | licence |
|---|---|---|---|---|---|---|---|---|---|
"""

WRONG = """
## Figures that are often quoted, and are wrong

| quoted for Kinetics-400 | what it is |
|---|---|
| InternVideo2-L 89.1 / 97.8 / 612 G | No primary source has it. L/14 reaches 90.4 (8 frames, 4×3 views; authors' model zoo); top-5 was not published; a view costs 831 G as counted here. |
| VideoMAE V2-g 87.4 / 97.6 / 582 G | 87.4 / 97.6 is VideoMAE V1's ViT-H at 32×320² (7397 G, 4×3 views). V2-g reaches 88.5 / 98.1 with 2544 G, 5×3 views; without Kinetics-710 87.2 / 97.4. |
| Video Swin-L 84.9 / 96.7 / 604 G | Two rows in one: 84.9 / 96.7 is Swin-L at 384² (2107 G, 10×5 views), 604 G is Swin-L at 224² (83.1 / 95.9, 4×3 views). Its authors published no Swin-L weights; those here were trained by mmaction2. |
| TimeSformer-L 80.7 / 94.7 / 2380 G | Right for the paper; the released weights were trained again and reach 80.6 / 94.7. A “TimeSformer ViT-L, 430 M, 8353 G” in VideoMAE's paper is another, unreleased model. |
| SlowFast 79.8 | Right for 16×8 R101 with non-local blocks (234 G, 10×3 views), which has no public checkpoint; the best that can be had is 78.7. |
| X3D 79.1 | Right for X3D-XL (48.4 G, 10×3 views), which has no public checkpoint; the best that can be had is L with 77.5. |
| SlowFast 8×8 R101 with 53.3 M parameters | The paper's layout (101-50-50, 106 G). The released weights are 101-101-101: 62.8 M, 126 G. |

MoViNet's README prints 2.7, 6.0, 10, 57, 110 and 280 G for A0 to A5, base and stream alike. Counted here are 2.63,
5.87, 11.56, 55.6, 103.3 and 276.3 G for the base networks: up to 16 % apart. The authors do not say what they
count, so there is a dash in their column.

Multiply-adds are also quoted per video (views times more), for other crops (X3D is trained at 160, 160, 224 and
312 pixels and tested at 182, 182, 256 and 356), for 16 in place of 32 frames (torchvision's Swin), or 8 % too
high (PyTorchVideo's X3D). On a CPU torch's own counter misses fused attention, half and more of a transformer.
"""


def rows() -> Iterator[str]:
    for card in registry.cards():
        if card.recognition is not None and card.weights[0].folder is None:
            family, _ = registry.find(card.id)
            yield row(card, cost(card, family.network, size=card.recognition.gmacs_input))


def row(card: ModelCard, counted: Cost) -> str:
    """A card's line. counted: at the input that its published cost is for."""
    facts = card.recognition
    assert facts is not None
    best = facts.accuracy[0] if facts.accuracy else None
    cells = (
        card.id,
        f"{counted.frames}×{counted.width}×{counted.height}",
        f"{counted.parameters / 1e6:.2f}",
        _macs(counted.macs / 1e9),
        "–" if facts.gmacs is None else _macs(facts.gmacs),
        best.dataset if best else "–",
        f"{best.top1:g}" if best else "–",
        f"{best.top5:g}" if best and best.top5 else "–",
        f"{best.views[0]}×{best.views[1]}" if best and best.views else "–",
        re.split(r"[;:]| of ", card.licence)[0] + ("" if card.commercial else " (non-commercial)"),
    )
    return "| " + " | ".join(cells) + " |"


def _macs(billions: float) -> str:
    return f"{billions:.4g}" if billions < 1000 else f"{billions:.0f}"


def page() -> str:
    return HEAD + "\n".join(rows()) + "\n" + WRONG


if __name__ == "__main__":
    PAGE.write_text(page())
