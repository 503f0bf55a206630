"""Looks at what is held: how much it takes, what is not seen, what is told and when."""

import threading
from collections import deque

import numpy as np
import pytest

import brightness
from moviola.recognition.looking import CausalLooker, Looking, WindowLooker
from moviola.recognition.ring import Held, Ring
from moviola.recognition.tally import Tally
from moviola.tasks import Seen, Watch


def pictures(*numbers: int, run: int = 0) -> list[Held]:
    """Brighter and brighter."""
    return [
        Held(number, run, np.full((8, 8, 3), 10 * number, np.uint8), number / 10, 0.0) for number in numbers
    ]


def levels(network: brightness.Brightness) -> list[list[int]]:
    """Of all looks, in the numbers of `pictures`."""
    return [[round((level + 1) * 12.75) for level in look] for look in network.seen]


@pytest.fixture
def network() -> brightness.Brightness:
    return brightness.Brightness()


def window(network, **settings) -> WindowLooker:
    return WindowLooker(brightness.recognizer(network, frames=4), **settings)


def causal(network) -> CausalLooker:
    return CausalLooker(brightness.recognizer(network, frames=100, causal=True))


def test_a_window_is_looked_at_once_it_is_full(network):
    looker = window(network)
    assert looker.look(pictures(0, 1, 2), last=False) is None
    found = looker.look(pictures(0, 1, 2, 3), last=False)
    assert found.sum() == pytest.approx(1)
    looker.look(pictures(3, 4, 5, 6), last=False)
    assert levels(network) == [[0, 1, 2, 3], [3, 4, 5, 6]]


def test_a_source_that_is_shorter_is_looked_at_with_its_last_picture_repeated(network):
    looker = window(network)
    assert looker.look(pictures(0, 1), last=True) is not None
    assert levels(network) == [[0, 1, 1, 1]]
    assert looker.padded == 2


def test_what_is_left_after_a_break_is_not_made_into_a_look(network):
    looker = window(network)
    looker.look(pictures(0, 1, 2, 3), last=False)
    assert looker.look(pictures(4, run=1), last=True) is None
    assert looker.padded == 0


def test_pictures_that_no_look_had_time_for_are_counted(network):
    looker = window(network)
    looker.look(pictures(0, 1, 2, 3), last=False)
    looker.look(pictures(2, 3, 4, 5), last=False)
    assert looker.unseen == 0
    looker.look(pictures(9, 10, 11, 12), last=False)
    assert looker.unseen == 3


def test_pictures_between_looks_that_were_asked_for_are_not_missed(network):
    looker = window(network, every=1.0)
    looker.look(pictures(0, 1, 2, 3), last=False)
    looker.look(pictures(9, 10, 11, 12), last=False)
    assert looker.unseen == 0


def test_a_causal_model_sees_each_picture_once_in_order(network):
    looker = causal(network)
    for held in (pictures(0), pictures(0, 1, 2), pictures(1, 2, 3)):
        assert looker.look(held, last=False) is not None
    assert looker.look(pictures(1, 2, 3), last=True) is None
    assert levels(network) == [[0], [0, 1, 2], [0, 1, 2, 3]]
    assert looker.unseen == 0


def test_many_pictures_go_into_a_causal_model_in_pieces(network):
    causal(network).look(pictures(*range(20)), last=False)
    assert levels(network) == [list(range(8)), list(range(16)), list(range(20))]


def test_a_causal_model_counts_what_it_missed(network):
    looker = causal(network)
    looker.look(pictures(0, 1), last=False)
    looker.look(pictures(5, 6), last=False)
    assert levels(network)[-1] == [0, 1, 5, 6]
    assert looker.unseen == 3


def test_a_causal_model_begins_anew_after_a_break(network):
    looker = causal(network)
    looker.look(pictures(0, 1), last=False)
    looker.look(pictures(2, 3, run=1), last=False)
    assert levels(network) == [[0, 1], [2, 3]]


class Script:
    """Says what was written down for it, a look for each picture; the ring is closed after the last."""

    size, sees_all, unseen, padded = 4, True, 0, 0

    def __init__(self, ring: Ring, *shares: float) -> None:
        self._ring, self._shares = ring, deque(shares)
        self._next()

    def look(self, held, *, last):
        share = self._shares.popleft()
        self._next()
        return np.array([1 - share, share], np.float32)

    def _next(self) -> None:
        if self._shares:
            number = len(self._shares)
            self._ring.put(np.zeros((8, 8, 3), np.uint8), 10.0 - number, 0.0)
        else:
            self._ring.close()


def told(*shares: float, chosen: tuple[int, ...] = (0, 1), **request: object) -> list[Seen]:
    """A second lies between two looks. Shares are of `bright`."""
    ring, looks = Ring(4), deque()
    looking = Looking(
        brightness.recognizer(),
        Script(ring, *shares),
        ring,
        Watch(source="x", **request),
        np.array(chosen),
        Tally(),
        looks,
    )
    looking.run(threading.Event())
    return list(looks)


def shown(seen: list[Seen]) -> list[str | None]:
    return [look.shown.name if look.shown is not None else None for look in seen]


def test_a_label_is_shown_from_one_threshold_to_another():
    seen = told(0.5, 0.8, 0.6, 0.5, 0.4, 0.2, 0.5, smooth=0, enter=0.75, leave=0.45)
    assert shown(seen) == [None, "bright", "bright", "bright", None, "dark", "dark"]
    assert [look.labels[0].score for look in seen] == pytest.approx([0.5, 0.8, 0.6, 0.5, 0.6, 0.8, 0.5])


def test_a_single_odd_look_is_smoothed_away():
    restless = [0.9, 0.9, 0.1, 0.9, 0.9]
    assert shown(told(*restless, smooth=0, enter=0.6))[2] == "dark"
    assert shown(told(*restless, smooth=3, enter=0.6)) == ["bright"] * 5


def test_the_likeliest_comes_first_and_no_more_than_asked_for():
    (seen,) = told(0.8, top=1, smooth=0)
    assert [(label.index, label.name, label.score) for label in seen.labels] == [
        (1, "bright", pytest.approx(0.8))
    ]


def test_of_chosen_labels_the_probabilities_sum_to_one():
    (seen,) = told(0.3, chosen=(1,), smooth=0)
    assert [(label.name, label.score) for label in seen.labels] == [("bright", 1)]


def test_looks_are_told_as_often_as_asked_for_and_at_the_end():
    """No two seconds pass while these are done, so there are the first and the last."""
    assert len(told(*[0.5] * 9, every=100.0)) == 2
    assert len(told(*[0.5] * 9)) == 9
