"""How often a recognizer is right: from what it said of labelled clips to figures with their uncertainty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from moviola.errors import InputError
from moviola.tasks import ClassAccuracy, Confusion

SUMMARY = "How often a recognizer is right on labelled clips: top-1, top-5, per class, calibration."

_SURE = 1.959963984540054
"""Standard deviations on both sides that hold 95 % of a normal distribution."""

_BINS = 15
"""Of confidence, as in Guo et al., arXiv 1706.04599."""

_MOST_CONFUSED = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """What a recognizer said of one clip.

    label: what it is. predicted: the first label, and score its probability. rank: 1 where that is right;
    the place of the true label among all.
    """

    video: str
    label: str
    predicted: str
    score: float
    rank: int


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    if count == 0:
        return 0.0, 1.0
    share, z2 = right / count, _SURE**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _SURE / (1 + z2 / count) * sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def calibration_error(judged: Sequence[Judged]) -> float:
    """Expected calibration error: how far confidence and accuracy lie apart in the mean, 0 to 1."""
    bins: dict[int, list[Judged]] = {}
    for one in judged:
        bins.setdefault(min(int(one.score * _BINS), _BINS - 1), []).append(one)
    apart = [
        abs(sum(one.rank == 1 for one in held) - sum(one.score for one in held)) for held in bins.values()
    ]
    return sum(apart) / len(judged)


def per_class(judged: Sequence[Judged]) -> list[ClassAccuracy]:
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one.label, []).append(one)
    return [
        ClassAccuracy(
            label=label,
            clips=len(held),
            top1=sum(one.rank == 1 for one in held) / len(held),
            top5=sum(one.rank <= 5 for one in held) / len(held),
        )
        for label, held in sorted(groups.items())
    ]


def confusions(judged: Sequence[Judged]) -> list[Confusion]:
    """The pairs that are mixed up most."""
    counted = Counter((one.label, one.predicted) for one in judged if one.rank > 1)
    order = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_CONFUSED]
    return [Confusion(label=label, taken_for=other, clips=clips) for (label, other), clips in order]


def true_names(labels: Sequence[str], names: Sequence[str]) -> Mapping[str, str]:
    """Each label of a data set under the model's name for it: the same but for case, `_` for a space, or the
    number of an output. Raises InputError for a label the model does not know."""
    by_name = {_plain(name): name for name in names}
    found: dict[str, str] = {}
    for label in labels:
        if _plain(label) in by_name:
            found[label] = by_name[_plain(label)]
        elif label.isdecimal() and int(label) < len(names):
            found[label] = names[int(label)]
        else:
            raise InputError(
                f"the model has no class {label!r}; it has {len(names)}, such as {', '.join(names[:3])}"
            )
    return found


def _plain(name: str) -> str:
    return name.replace("_", " ").strip().lower()
