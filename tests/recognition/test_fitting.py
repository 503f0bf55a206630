"""The training loop: it learns, keeps the best, stops in time, and ends alike when it is broken off."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from moviola.errors import ModelError, OutputError
from moviola.model import Note, Progress
from moviola.recognition import fitting
from moviola.recognition.examples import Features
from moviola.recognition.fitting import Plan, Pupil, best_of, fit, groups, judged
from moviola.recognition.resuming import Store

CPU = torch.device("cpu")


def clouds(sizes: tuple[int, ...], apart: float = 1.5, seed: int = 0) -> Features:
    """Classes as clouds of points around the corners of a square, two views of each clip."""
    random = np.random.default_rng(seed)
    corners = apart * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    targets = np.repeat(np.arange(len(sizes)), sizes)
    rows = [(corners[target] + random.normal(size=(2, 2))).astype(np.float32) for target in targets.tolist()]
    return Features(targets, rows)


def pupil(*, rate: float = 0.03, classes: int = 4) -> Pupil:
    """A small network with everything that has a state of its own: dropout, batch norm."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = nn.Sequential(
            nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, classes)
        )

    def judge(batch: np.ndarray) -> torch.Tensor:
        return network(torch.from_numpy(batch))

    return Pupil(network, judge, groups(network.parameters(), rate, 0.05), CPU)


def plan(**changes) -> Plan:
    return Plan(**{"epochs": 8, "batch": 8, "patience": 0, "seed": 1} | changes)


def finished(events: Iterator) -> list:
    """The history, after all events."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_learns_what_can_be_learnt(tmp_path):
    learner = pupil()
    before = top1(learner)
    history = finished(
        fit(learner, clouds((20,) * 4), clouds((20,) * 4, seed=1), plan(), Store(tmp_path, ""))
    )
    assert before < 50 < 80 < best_of(history).held_top1
    assert history[-1].loss < history[0].loss
    assert [epoch.number for epoch in history] == list(range(1, 9))


def top1(learner: Pupil) -> float:
    held = clouds((20,) * 4, seed=1)
    logits, clips = judged(learner, held, 8)
    return 100 * float((logits.argmax(axis=1) == held.targets[clips]).mean())


@pytest.mark.parametrize("done", range(1, 5))
def test_broken_off_after_any_epoch_it_ends_in_the_same_bits(tmp_path, done):
    train, held = clouds((9, 7, 8, 5), 0.7), clouds((6,) * 4, 0.7, seed=1)
    whole = pupil()
    told = finished(fit(whole, train, held, plan(epochs=5), Store(tmp_path / "whole", "a")))

    broken = fit(pupil(), train, held, plan(epochs=5), Store(tmp_path / "broken", "a"))
    next(event for event in broken if isinstance(event, Progress) and event.done > done)
    broken.close()
    again, store = pupil(), Store(tmp_path / "broken", "a")
    history = finished(fit(again, train, held, plan(epochs=5), store))
    assert store.resumed == done
    assert history == told
    assert same(whole.network, again.network)


def test_a_training_that_was_over_is_only_read_again(tmp_path, monkeypatch):
    train, held = clouds((9,) * 4), clouds((6,) * 4, seed=1)
    first = pupil()
    told = finished(fit(first, train, held, plan(epochs=3), Store(tmp_path, "a")))
    monkeypatch.setattr(fitting, "_step", lambda *_: pytest.fail("it went on"))
    again = pupil()
    assert finished(fit(again, train, held, plan(epochs=3), Store(tmp_path, "a"))) == told
    assert same(first.network, again.network)


def test_what_another_training_left_is_not_taken_up(tmp_path):
    train, held = clouds((9,) * 4), clouds((6,) * 4, seed=1)
    finished(fit(pupil(), train, held, plan(epochs=2), Store(tmp_path, "a")))
    store = Store(tmp_path, "b")
    assert len(finished(fit(pupil(), train, held, plan(epochs=3), store))) == 3
    assert store.resumed == 0


def test_the_weights_after_the_best_epoch_are_kept(tmp_path):
    # At such a rate the last epoch is rarely the best.
    learner = pupil(rate=0.4)
    train, held = clouds((12,) * 4, 0.6), clouds((20,) * 4, 0.6, seed=1)
    history = finished(fit(learner, train, held, plan(epochs=10), Store(tmp_path, "")))
    best = best_of(history)
    assert best.number < 10
    logits, clips = judged(learner, held, 8)
    shares = fitting.probabilities(logits, clips, 1.0)
    assert fitting.top(shares, held.targets, 1) == best.held_top1
    assert fitting.cross_entropy(shares, held.targets) == best.held_loss
    assert not learner.network.training
    assert len(list(tmp_path.glob("best-*"))) == 1


def test_it_stops_when_nothing_gets_better_for_as_long_as_patience_lasts(tmp_path):
    train, held = clouds((12,) * 4, 0.6), clouds((20,) * 4, 0.6, seed=1)
    events = fit(pupil(rate=0.4), train, held, plan(epochs=50, patience=3), Store(tmp_path, ""))
    notes = []
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            history = end.value
            break
        notes += [event.text] if isinstance(event, Note) else []
    best = best_of(history).number
    assert len(history) == best + 3 < 50
    assert f"stopped after epoch {best + 3} of 50: none was better than {best} for 3" in notes


def test_of_epochs_with_as_many_right_the_one_with_less_loss_is_best():
    def epoch(number: int, right: float, loss: float) -> fitting.Epoch:
        return fitting.Epoch(number=number, loss=0, held_loss=loss, held_top1=right)

    history = [epoch(1, 80, 0.1), epoch(2, 90, 0.6), epoch(3, 90, 0.5), epoch(4, 90, 0.5)]
    assert best_of(history).number == 3


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_it_before_the_weights_are_touched(tmp_path, wrong):
    train = clouds((8,) * 4)
    learner = pupil()
    *_, last = learner.network.parameters()
    last.data.fill_(wrong)
    with pytest.raises(
        ModelError, match=r"the loss became (nan|inf) in epoch 1; try a smaller --learning-rate"
    ):
        finished(fit(learner, train, train, plan(), Store(tmp_path, "")))
    first = next(learner.network.parameters())
    assert torch.equal(first, next(pupil().network.parameters()))


def test_memory_that_runs_out_is_told_with_what_helps(tmp_path):
    def judge(batch: np.ndarray) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    network = pupil().network
    learner = Pupil(network, judge, groups(network.parameters(), 0.1, 0.0), CPU)
    with pytest.raises(ModelError, match="too little memory for this; try a smaller --batch"):
        finished(fit(learner, clouds((8,) * 4), clouds((8,) * 4), plan(), Store(tmp_path, "")))


def test_who_consumes_the_events_keeps_a_random_state_of_their_own(tmp_path):
    torch.manual_seed(5)
    wanted = torch.rand(2)
    torch.manual_seed(5)
    finished(fit(pupil(), clouds((8,) * 4), clouds((8,) * 4), plan(epochs=1), Store(tmp_path, "")))
    assert torch.equal(torch.rand(2), wanted)


def test_another_seed_is_another_training(tmp_path):
    train = clouds((8,) * 4)
    histories = [
        finished(fit(pupil(), train, train, plan(epochs=1, seed=seed), Store(tmp_path / str(seed), "")))
        for seed in (1, 2)
    ]
    assert histories[0] != histories[1]


def test_weighed_by_class_a_rare_one_is_found(tmp_path):
    train, held = clouds((90, 6), 0.6), clouds((50, 50), 0.6, seed=1)
    found = []
    for name, weights in (("plain", None), ("weighed", np.array([96 / 180, 96 / 12]))):
        learner = pupil(classes=2)
        finished(
            fit(learner, train, held, plan(weights=weights, epochs=15, batch=32), Store(tmp_path / name, ""))
        )
        logits, clips = judged(learner, held, 8)
        found.append(float((logits.argmax(axis=1) == 1)[held.targets[clips] == 1].mean()))
    assert found[1] > found[0] + 0.2


def test_the_learning_rate_rises_for_a_twentieth_and_falls_along_a_cosine():
    shares = [fitting._share(step, 200) for step in range(200)]
    assert shares[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert shares[10:] == pytest.approx((1 + np.cos(np.pi * np.arange(190) / 190)) / 2)
    assert fitting._share(0, 1) == 1


def test_biases_and_normalizations_do_not_decay():
    large, small = groups(pupil().network.parameters(), 0.1, 0.05)
    assert [tuple(parameter.shape) for parameter in large.parameters] == [(16, 2), (4, 16)]
    assert {parameter.ndim for parameter in small.parameters} == {1}
    assert (large.decay, small.decay) == (0.05, 0)


def test_a_disk_that_is_full_keeps_the_epoch_before(tmp_path: Path, monkeypatch):
    train = clouds((8,) * 4)
    events = fit(pupil(), train, train, plan(epochs=3), Store(tmp_path, "a"))
    next(event for event in events if isinstance(event, Progress) and event.done > 1)

    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc] . unexpected pos")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(OutputError, match="cannot write"):
            finished(events)
    store = Store(tmp_path, "a")
    assert len(finished(fit(pupil(), train, train, plan(epochs=3), store))) == 3
    assert store.resumed == 1
