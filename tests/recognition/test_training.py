"""Training a recognizer of one's own: from clips in folders to a model that is used by its name."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from panning import base, filmed
from safetensors.torch import load_file

import moviola
from moviola import registry, shelf
from moviola.cli import show
from moviola.errors import InputError, OutputError, RequestError
from moviola.model import Note, Progress, Result
from moviola.recognition import training
from moviola.run import run
from moviola.selftest import tiny_checkpoint
from moviola.tasks import Train, Trained, request

FEW = {"epochs": 2, "views": 1, "batch": 4}
"""Settings for a training that has to be done, but not well."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """clips/ to learn from, held/ with other grounds, few/ of four clips a class, base/ to begin with."""
    folder = tmp_path_factory.mktemp("desk")
    filmed(folder / "clips", range(36))
    filmed(folder / "held", range(100, 110))
    filmed(folder / "few", range(4))
    base(folder / "base")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


Do = Callable[..., Trained]


@pytest.fixture
def do(desk, home) -> Do:
    """Train on the few clips, or as is said."""

    def trained(**fields: object) -> Trained:
        return finished(**FEW | {"data": desk / "few", "weights": desk / "base"} | fields)

    return trained


def finished(**fields: object) -> Trained:
    *_, last = run(asked(**fields))
    assert isinstance(last, Result)
    return last.value


def asked(**fields: object) -> Train:
    made = request(Train, {"kind": "recognizer", "model": "x3d-xs", "device": "cpu"} | fields)
    assert isinstance(made, Train)
    return made


@pytest.fixture(scope="module")
def learnt(desk, tmp_path_factory) -> Iterator[Trained]:
    """A model called panning that was trained from scratch, on a shelf of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MOVIOLA_HOME", str(tmp_path_factory.mktemp("home")))
        yield finished(
            data=desk / "clips",
            validation=desk / "held",
            weights=desk / "base",
            name="panning",
            scratch=True,
            epochs=12,
            learning_rate=0.005,
            views=2,
        )


@pytest.fixture
def on_the_shelf(learnt, monkeypatch) -> Trained:
    """The same, where this test looks for models."""
    monkeypatch.setenv("MOVIOLA_HOME", str(learnt.folder.parents[1]))
    return learnt


def test_from_random_weights_it_learns_which_way_the_camera_goes(learnt):
    assert learnt.top1 >= 95
    assert learnt.history[0].held_top1 < 80
    assert (learnt.clips, learnt.held_out, learnt.classes) == (72, 20, ["left", "right"])
    assert learnt.top5 is None
    assert learnt.base == "x3d-xs"


def test_the_new_model_is_used_by_its_name(desk, on_the_shelf):
    seen = moviola.recognize(desk / "held" / "left" / "103.mkv", model="panning", device="cpu")
    assert seen.labels[0].name == "left"
    family, card = registry.find("panning")
    assert family is registry.find("x3d-xs")[0]
    assert card.recognition is not None
    assert card.recognition.names == ("left", "right")
    assert card.recognition.views == (2, 1)
    assert (card.licence, card.commercial) == ("one's own", True)
    assert card.parts[0].parameters == sum(
        tensor.numel()
        for name, tensor in load_file(on_the_shelf.folder / shelf.WEIGHTS).items()
        if "running" not in name and "batches" not in name
    )


def test_it_is_measured_as_recognize_sees_it(desk, on_the_shelf):
    found = moviola.recognize([desk / "held"], model="panning", device="cpu").videos
    right = sum(video.labels[0].name == Path(video.video).parent.name for video in found)
    assert 100 * right / len(found) == pytest.approx(on_the_shelf.top1)
    # At the temperature of the card, the likelihood of the held-out clips is greatest.
    card = registry.find("panning")[1]
    assert card.recognition is not None
    assert card.recognition.temperature == on_the_shelf.temperature != 1


def test_what_was_learnt_serves_to_learn_more(desk, on_the_shelf, tmp_path):
    for side in ("left", "right"):
        shutil.copytree(desk / "few" / side, tmp_path / "clips" / f"to the {side}")
    result = finished(
        data=tmp_path / "clips", validation=0.5, model="panning", name="again", views=1, epochs=60
    )
    assert result.top1 == 100
    old, new = (load_file(folder / shelf.WEIGHTS) for folder in (on_the_shelf.folder, result.folder))
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"head.weight", "head.bias"}
    assert registry.find("again")[1].recognition.names == ("to the left", "to the right")
    shutil.rmtree(result.folder)


def test_a_new_classifier_leaves_all_else_and_a_full_training_nothing(do, desk):
    state = published_state(desk / "base")
    head, full = (
        load_file(do(name=name, full=full).folder / shelf.WEIGHTS)
        for name, full in (("head", False), ("full", True))
    )
    for name, tensor in state.items():
        if name.startswith("head."):
            assert head[name].shape[0] == full[name].shape[0] == 2
            continue
        assert torch.equal(head[name], tensor)
        if "num_batches" not in name:
            assert not torch.equal(full[name], tensor), name


def published_state(folder: Path) -> dict[str, torch.Tensor]:
    from moviola.nets import x3d

    return dict(x3d.names(load_file(folder / "model.safetensors")))


def families() -> list[str]:
    """One recognizer of each family."""
    first: dict[str, str] = {}
    for card in registry.cards():
        if card.recognition is not None:
            first.setdefault(registry.family_of(card), card.id)
    return list(first.values())


@pytest.mark.parametrize("model", families())
def test_every_familys_network_learns_in_mixed_precision(do, desk, tmp_path, model):
    tiny_checkpoint(*registry.find(model), tmp_path / "tiny")
    result = do(
        model=model, weights=tmp_path / "tiny", name="mine", full=True, epochs=1, views=2, dtype="bfloat16"
    )
    assert np.isfinite(result.history[0].loss)
    # It is trained in bfloat16, and kept as what it was.
    kept = load_file(result.folder / shelf.WEIGHTS)
    assert {tensor.dtype for tensor in kept.values()} <= {torch.float32, torch.int64}
    seen = moviola.recognize(desk / "few" / "left" / "0.mkv", model="mine", device="cpu")
    assert sum(label.score for label in seen.labels) == pytest.approx(1, abs=1e-3)


KILLED = """
import json, os, signal, sys
import torch
from moviola.recognition.resuming import Store
from moviola.run import run
from moviola.tasks import Train, request

torch.set_num_threads(1)
save = Store.save

def last_words(store, network, optimizer, history, best):
    save(store, network, optimizer, history, best)
    if len(history) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

Store.save = last_words
list(run(request(Train, json.loads(sys.argv[1]))))
"""


def test_killed_after_an_epoch_the_same_command_goes_on_to_the_same_bits(desk, tmp_path, monkeypatch):
    fields = {
        "kind": "recognizer",
        "data": str(desk / "few"),
        "model": "x3d-xs",
        "weights": str(desk / "base"),
        "device": "cpu",
        "name": "mine",
        "full": True,
        "epochs": 4,
        "batch": 4,
        "views": 2,
        "patience": 0,
    }
    results = []
    for place, killed in (("whole", False), ("broken", True)):
        monkeypatch.setenv("MOVIOLA_HOME", str(tmp_path / place))
        if killed:
            done = subprocess.run([sys.executable, "-c", KILLED, json.dumps(fields)], capture_output=True)
            assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        results.append(moviola.train(**fields))
        assert results[-1].resumed_epochs == (2 if killed else 0)
        assert os.listdir(tmp_path / place / "models") == ["mine"]
    whole, broken = results
    assert whole.history == broken.history
    assert whole.temperature == broken.temperature
    assert equal(*(load_file(result.folder / shelf.WEIGHTS) for result in results))


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_features_that_were_computed_are_not_computed_again(do, desk, home, monkeypatch):
    whole = load_file(do(name="whole").folder / shelf.WEIGHTS)
    events = run(asked(**FEW, data=desk / "few", weights=desk / "base", name="mine"))
    next(event for event in events if event == Progress(2, 2, "epochs"))
    events.close()
    monkeypatch.setattr(
        "moviola.recognition.frozen.Frozen._features", lambda *_: pytest.fail("computed again")
    )
    result = do(name="mine")
    assert result.resumed_epochs == 1
    assert equal(whole, load_file(result.folder / shelf.WEIGHTS))


def test_other_settings_begin_anew_but_with_what_is_prepared(do, desk, monkeypatch):
    events = run(asked(**FEW, data=desk / "few", weights=desk / "base", full=True, name="mine"))
    next(event for event in events if isinstance(event, Progress) and event.unit == "epochs")
    events.close()
    monkeypatch.setattr("moviola.recognition.views.Views._made", lambda *_: pytest.fail("decoded again"))
    result = do(full=True, name="mine", learning_rate=0.002)
    assert (result.resumed_epochs, len(result.history)) == (0, 2)


def test_two_trainings_of_one_name_do_not_meet(do, desk):
    first = run(asked(**FEW, data=desk / "few", weights=desk / "base", name="mine"))
    next(event for event in first if isinstance(event, Progress))
    with pytest.raises(OutputError, match="another process"):
        do(name="mine")
    first.close()
    assert do(name="mine").name == "mine"


def test_a_clip_that_cannot_be_read_is_left_out_and_told(do, desk, tmp_path):
    shutil.copytree(desk / "few", tmp_path / "clips")
    (tmp_path / "clips" / "left" / "0.mkv").write_bytes(b"no video")
    result = do(data=tmp_path / "clips")
    assert result.clips + result.held_out == 7
    assert [note for note in result.notes if "0.mkv is left out" in note]


def test_a_class_of_which_nothing_can_be_read_is_an_error(do, desk, tmp_path):
    shutil.copytree(desk / "few", tmp_path / "clips")
    for path in (tmp_path / "clips" / "left").iterdir():
        path.write_bytes(b"no video")
    with pytest.raises(InputError, match="no clip of left to learn from can be read"):
        do(data=tmp_path / "clips")


def test_what_cannot_be_meant_is_refused_before_the_work(do, desk, home, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "train", lambda *_: pytest.fail("it began"))
    with pytest.raises(RequestError, match="name: x3d-m is a model already"):
        do(name="x3d-m")
    with pytest.raises(RequestError, match="name: "):
        do(name="My Model")
    shutil.copytree(desk / "few" / "left", tmp_path / "alone" / "left")
    with pytest.raises(InputError, match="a single class, left"):
        do(data=tmp_path / "alone")
    with pytest.raises(InputError, match=r"few/left/0.mkv would be learnt from and measured with"):
        do(validation=desk / "few")
    with pytest.raises(RequestError, match=r"1\.5 is no share of the clips"):
        do(validation=1.5)
    with pytest.raises(RequestError, match="does not recognize"):
        do(model="flow")
    with pytest.raises(RequestError, match="float16"):
        do(dtype="float16")
    (home / "models" / "mine").mkdir(parents=True)
    with pytest.raises(
        OutputError, match=r"there is a model mine in .*; give another --name, or pass --over"
    ):
        do(name="mine")
    with pytest.raises(OutputError, match="exists; name another folder"):
        do(report=tmp_path)


def test_held_out_classes_must_be_known(do, desk, tmp_path):
    shutil.copytree(desk / "few" / "left", tmp_path / "held" / "upwards")
    with pytest.raises(InputError, match="is 'upwards', as none of"):
        do(validation=tmp_path / "held")


def test_uneven_and_single_classes_are_told(do, desk, tmp_path):
    shutil.copytree(desk / "few" / "left", tmp_path / "clips" / "left")
    (tmp_path / "clips" / "right").mkdir()
    shutil.copy(desk / "few" / "right" / "0.mkv", tmp_path / "clips" / "right")
    notes = do(data=tmp_path / "clips").notes
    assert any(note.startswith("right: of a single clip none is held out") for note in notes)
    assert any("uneven, from 1 (right) to 4 clips (left); with --balance" in note for note in notes)


def test_a_model_is_replaced_only_when_that_is_said(do, home):
    first = do()
    assert first.name == "few"
    second = do(overwrite=True, seed=1)
    assert second.folder == first.folder
    assert os.listdir(home / "models") == ["few"]


def test_mirrored_views_are_learnt_from_only_when_that_is_said(do, monkeypatch):
    seen = []

    def rows(self: object, pictures: np.ndarray) -> np.ndarray:
        seen.append(pictures)
        return np.random.default_rng(0).normal(size=(len(pictures), 64)).astype(np.float32)

    monkeypatch.setattr("moviola.recognition.frozen.Frozen._features", rows)
    do(name="plain")
    plain = [len(pictures) for pictures in seen]
    seen.clear()
    do(name="mirrored", flip=True)
    assert set(plain) == {1}
    pairs = [pictures for pictures in seen if len(pictures) == 2]
    assert len(pairs) == 6
    assert all((first[:, :, ::-1] == second).all() for first, second in pairs)
    # What is measured with is never mirrored.
    assert [len(pictures) for pictures in seen].count(1) == 2


def test_without_scratch_weights_are_pulled_and_with_it_they_are_not(desk, home):
    events = run(asked(**FEW, data=desk / "few", scratch=True, model="x3d-xs", weights=desk / "base"))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert not [note for note in notes if "pulling" in note]


def test_the_report_stands_alone_and_says_it_all(do, tmp_path):
    result = do(report=tmp_path / "report", name="mine")
    page = result.report.read_text()
    assert result.report == tmp_path / "report" / "index.html"
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "http" not in page
    for text in ("left", "right", "precision", "recall", "F1", "cross-entropy", "learning_rate", "mine"):
        assert text in page
    rows = [line.split(",") for line in result.confusion.read_text().splitlines()]
    assert rows[0][1:] == [row[0] for row in rows[1:]] == ["left", "right"]
    counts = np.array([row[1:] for row in rows[1:]], int)
    assert counts.sum() == result.held_out
    assert 100 * counts.trace() / counts.sum() == result.top1
    wrong = result.held_out - counts.trace()
    assert page.count("<img") == wrong


def test_the_command_line_says_how_well_and_how_to_use_it(learnt, capsys):
    show.summary(learnt)
    out = capsys.readouterr().out
    assert re.match(r"panning  \d+\.\d % of 20 held-out clips right, 2 classes, trained in \d+ s", out)
    assert "--model panning" in out
    assert str(learnt.report) in out
