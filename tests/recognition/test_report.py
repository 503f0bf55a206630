"""The report of a training: charts that are true to their numbers, on a page that needs nothing else."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moviola import registry
from moviola.errors import InputError, OutputError
from moviola.recognition import report
from moviola.recognition.drawing import _scale, curves, matrix
from moviola.recognition.heads import card_for
from moviola.recognition.labelled import Labelled
from moviola.recognition.training import Data, Outcome
from moviola.tasks import Epoch, Train, request

NAMES = ("walk", "run & <jump>", "stand")


class Pictures:
    def of(self, path: Path) -> np.ndarray:
        if path.name == "gone.mp4":
            raise InputError("gone.mp4 is not there")
        return np.full((1, 4, 8, 8, 3), 90, np.uint8)


@pytest.fixture
def outcome() -> Outcome:
    """Four clips held out, of which the second is wrong, and the last, of which the model is surer."""
    names = ("a.mp4", "b.mp4", "c.mp4", "gone.mp4")
    held = tuple(Labelled(Path(name), NAMES[label]) for name, label in zip(names, (0, 1, 1, 2), strict=True))
    shares = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.9, 0.0, 0.1]])
    card = card_for(registry.find("x3d-m")[1], "mine", NAMES, scratch=False)
    history = [
        Epoch(number=number, loss=1 / number, held_loss=2 / number, held_top1=10.0 * number)
        for number in (1, 2)
    ]
    train = tuple(Labelled(Path(f"{name}.mp4"), name) for name in NAMES)
    return Outcome(
        card=card,
        data=Data(NAMES, train, held),
        views=Pictures(),
        history=history,
        shares=shares,
        targets=np.array([0, 1, 1, 2]),
        top1=50.0,
        top5=None,
        resumed=0,
        notes=["z.mp4 is left out: no video"],
    )


def written(outcome: Outcome, folder: Path) -> str:
    asked = request(Train, {"kind": "recognizer", "data": "clips", "epochs": 2})
    assert isinstance(asked, Train)
    report.write(folder, outcome, asked)
    return (folder / report.PAGE).read_text()


def test_the_page_needs_nothing_else_and_names_are_no_markup(outcome, tmp_path):
    page = written(outcome, tmp_path)
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<jump>" not in page
    assert "run &amp; &lt;jump&gt;" in page
    for text in ("50.0 %", "of 4 held-out clips", "z.mp4 is left out: no video", "clips"):
        assert text in page


def test_mistakes_come_surest_first_with_a_picture_where_there_still_is_one(outcome, tmp_path):
    page = written(outcome, tmp_path)
    figures = re.findall(r"<figure>.*?</figure>", page)
    assert len(figures) == 2
    assert "(90 %)" in figures[0]
    assert "stand" in figures[0]
    assert "<img" not in figures[0]
    assert "(50 %)" in figures[1]
    assert "data:image/jpeg;base64," in figures[1]


def test_the_table_holds_all_numbers(outcome, tmp_path):
    written(outcome, tmp_path)
    rows = (tmp_path / report.TABLE).read_text().splitlines()
    assert rows[1:] == ["walk,1,0,0", "run & <jump>,1,1,0", "stand,1,0,0"]


def test_classes_have_their_figures_and_what_they_are_taken_for(outcome, tmp_path):
    rows = re.findall(r"<tr>(<td>.*?)</tr>", written(outcome, tmp_path))
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    assert ["walk", "1", "1", "0.333", "1.000", "0.500", ""] in cells
    assert ["stand", "1", "1", "–", "0.000", "0.000", "walk (1)"] in cells


def test_a_folder_that_cannot_be_written_is_told(outcome, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write in"):
        written(outcome, tmp_path / "file")


def test_a_matrix_has_a_cell_for_each_pair_that_occurs_as_deep_as_its_share():
    drawn = matrix(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), NAMES)
    cells = re.findall(r'fill="var\(--(right|wrong)\)" fill-opacity="(.*?)"><title>(.*?)</title>', drawn)
    assert [(colour, told) for colour, _, told in cells] == [
        ("right", "walk taken for walk: 3 of 4"),
        ("wrong", "walk taken for run &amp; &lt;jump&gt;: 1 of 4"),
        ("right", "run &amp; &lt;jump&gt; taken for run &amp; &lt;jump&gt;: 4 of 4"),
    ]
    depths = [float(depth) for _, depth, _ in cells]
    assert depths[2] == 1 > depths[0] > depths[1]


def test_of_many_classes_only_the_cells_are_drawn():
    many = [f"class {number}" for number in range(200)]
    drawn = matrix(np.eye(200, dtype=np.int64), many)
    assert "<text" not in drawn
    assert drawn.count("<title>") == 200


def test_curves_go_through_their_points():
    drawn = curves("loss", [("held out", "red", [4.0, 1.0, 2.0])], best=2)
    (points,) = re.findall(r'<polyline points="(.*?)"', drawn)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    (_, first), (_, second), (_, third) = places
    assert [x for x, _ in places] == pytest.approx(np.linspace(places[0][0], places[2][0], 3), abs=0.1)
    # Upwards is less in SVG.
    assert (third - second) / (first - second) == pytest.approx(1 / 3, abs=0.01)
    assert "epoch 2 was kept" in drawn
    assert "<polyline" in curves("loss", [("held out", "red", [4.0])], best=1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
@example([5e-324])
def test_an_axis_holds_all_values_in_a_few_round_steps(values):
    low, high, step = _scale(values)
    slack = 1e-9 * max(1, abs(low), abs(high))
    assert low - slack <= min(values)
    assert max(values) <= high + slack
    assert 1 <= round((high - low) / step) <= 7
    assert f"{step:.0e}"[0] in "125"
