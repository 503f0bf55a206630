"""From probabilities to labels."""

import numpy as np
import pytest

from moviola.errors import RequestError
from moviola.recognition.labelling import chosen_classes, ranked

NAMES = ("running", "Jumping", "sleeping", "juggling balls")
SHARES = np.array([0.1, 0.4, 0.2, 0.3], np.float32)


def test_the_likeliest_come_first():
    labels = ranked(SHARES, NAMES, chosen_classes(NAMES, None), top=3)
    assert [(label.index, label.name) for label in labels] == [
        (1, "Jumping"),
        (3, "juggling balls"),
        (2, "sleeping"),
    ]
    assert labels[0].score == pytest.approx(0.4)


def test_equal_scores_come_in_the_order_of_the_classes():
    labels = ranked(np.full(4, 0.25), NAMES, chosen_classes(NAMES, None), top=4)
    assert [label.index for label in labels] == [0, 1, 2, 3]


def test_only_what_was_asked_for_shares_the_whole():
    labels = ranked(SHARES, NAMES, chosen_classes(NAMES, [" SLEEPING", "jumping"]), top=5)
    assert [label.name for label in labels] == ["Jumping", "sleeping"]
    assert [label.score for label in labels] == pytest.approx([2 / 3, 1 / 3])


def test_an_unknown_label_is_refused_with_the_nearest():
    with pytest.raises(RequestError, match="no label 'jugling bals'; try juggling balls"):
        chosen_classes(NAMES, ["jugling bals"])
    with pytest.raises(RequestError, match="no label 'xyz'; see all"):
        chosen_classes(NAMES, ["xyz"])
