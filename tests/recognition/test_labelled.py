"""Labelled clips: folders per class and tables, in natural order, and all ways in which they can be wrong."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import InputError
from moviola.recognition.labelled import Labelled, classes_of, labelled, natural, split


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with empty files of the names the tests use."""
    for name in ("a.mp4", "b.mp4", "c, d.mp4", "deep/e.mov"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def table(folder: Path, text: str, name: str = "clips.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def told(clips: list[Labelled], folder: Path) -> list[tuple[str, str]]:
    return [(str(clip.path.relative_to(folder)), clip.label) for clip in clips]


def grown(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_a_folder_has_a_folder_per_class_in_natural_order(tmp_path):
    grown(tmp_path, "Run/take10.mp4", "Run/take2.mp4", "jump/one.MKV", "jump/deeper/two.webm")
    assert told(labelled(tmp_path), tmp_path) == [
        ("jump/deeper/two.webm", "jump"),
        ("jump/one.MKV", "jump"),
        ("Run/take2.mp4", "Run"),
        ("Run/take10.mp4", "Run"),
    ]


def test_a_folder_of_pictures_is_one_clip(tmp_path):
    grown(tmp_path, "run/first/0001.jpg", "run/first/0002.jpg", "run/second/1.png", "walk/a.mp4")
    assert told(labelled(tmp_path), tmp_path) == [
        ("run/first", "run"),
        ("run/second", "run"),
        ("walk/a.mp4", "walk"),
    ]


def test_what_is_hidden_or_no_video_is_passed_over(tmp_path):
    grown(tmp_path, "run/a.mp4", "run/.b.mp4", "run/notes.txt", ".git/x.mp4", "readme.md")
    assert told(labelled(tmp_path), tmp_path) == [("run/a.mp4", "run")]


@pytest.mark.parametrize(
    "text",
    [
        "a.mp4,run\ndeep/e.mov,walk\n",
        "path,label\na.mp4,run\ndeep/e.mov,walk\n",
        "Label,Video\nrun,a.mp4\nwalk,deep/e.mov\n",
        "id;filename;seconds;class\n7;a.mp4;3;run\n8;deep/e.mov;4;walk\n",
        "a.mp4\trun\ndeep/e.mov\twalk\n",
        "a.mp4 run\ndeep/e.mov walk\n",
        "\ufeffa.mp4,run\r\n\r\ndeep/e.mov, walk\r\n",
        '"a.mp4","run"\n"deep/e.mov","walk"',
    ],
    ids=[
        "plain",
        "header",
        "columns turned",
        "more columns",
        "tabs",
        "spaces",
        "from a spreadsheet",
        "quoted",
    ],
)
def test_a_table_may_be_written_in_many_ways(clips, text):
    assert told(labelled(table(clips, text)), clips) == [("a.mp4", "run"), ("deep/e.mov", "walk")]


def test_names_may_hold_the_mark_between_columns(clips):
    assert told(labelled(table(clips, '"c, d.mp4",run\na.mp4,"walk, slowly"\n')), clips) == [
        ("c, d.mp4", "run"),
        ("a.mp4", "walk, slowly"),
    ]
    assert told(labelled(table(clips, "c, d.mp4\trun\n", "list.tsv")), clips) == [("c, d.mp4", "run")]


def test_a_tables_order_is_kept_and_repeats_count_once(clips):
    rows = labelled(table(clips, "b.mp4,10\na.mp4,9\nb.mp4,10\n"))
    assert told(rows, clips) == [("b.mp4", "10"), ("a.mp4", "9")]


def test_paths_count_from_the_tables_own_folder(clips, monkeypatch):
    monkeypatch.chdir(clips)
    rows = labelled(Path("deep") / table(clips / "deep", "e.mov,walk\n../a.mp4,run\n").name)
    assert [clip.path for clip in rows] == [Path("deep/e.mov"), Path("deep/../a.mp4")]
    assert labelled(table(clips / "deep", f"{clips / 'b.mp4'},run\n"))[0].path == clips / "b.mp4"


def test_numbers_are_in_order_as_numbers(clips):
    rows = labelled(table(clips, "a.mp4 10\nb.mp4 9\ndeep/e.mov 100\n", "list.txt"))
    assert classes_of(rows) == ("9", "10", "100")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("path,label\n", "a header and no rows"),
        ("a.mp4,run\nb.mp4\n", "row 2 has 1 columns"),
        ("a.mp4,run\n\nb.mp4,run,7\n", "row 3 has 3 columns"),
        ("a.mp4,run\nb.mp4,\n", "row 2 lacks a path or a label"),
        ("path,label\na.mp4,run\nb.mp4\n", "row 3 lacks a path or a label"),
        ('a.mp4,run\n"b.mp4"x,run\n', "row 2: "),
        ("a.mp4,run\na.mp4,walk\n", "row 2: a.mp4 is 'walk' here and 'run' further up"),
        (
            "a.mp4,run\nx.mp4,run\ny.mp4,run\n",
            "x.mp4, which .*clips.csv names, is not there .nor are 1 others",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_told_by_its_row(clips, text, message):
    with pytest.raises(InputError, match=message) as caught:
        labelled(table(clips, text))
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "clips.csv").write_bytes(b"a.mp4,\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        labelled(tmp_path / "clips.csv")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no clips"),
        (["a.mp4", "b.mp4"], "holds no clips: each class needs a folder"),
        (["run/a.mp4", "walk/notes.txt"], "walk holds no clips"),
        (["train/run/a.mp4", "val/run/b.mp4"], "parted into train, val, which are no classes"),
    ],
)
def test_what_is_wrong_with_a_folder_is_told(tmp_path, names, message):
    grown(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        labelled(tmp_path)


def test_what_is_not_there_or_no_list_is_told(clips):
    with pytest.raises(InputError, match="nowhere is not there"):
        labelled("nowhere")
    with pytest.raises(InputError, match=r"a\.mp4 is no folder and no table"):
        labelled(clips / "a.mp4")


def test_natural_order():
    names = ["take10", "Take2", "take1", "take", "a10b2", "a10b10", "2"]
    assert sorted(names, key=natural) == ["2", "a10b2", "a10b10", "take", "take1", "Take2", "take10"]


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1),
    st.floats(0.01, 0.99),
    st.integers(0, 2**40),
)
def test_a_split_holds_a_share_of_every_class_out(sizes, share, seed):
    clips = [Labelled(Path(f"{label}{n}"), label) for label, size in sizes.items() for n in range(size)]
    train, held = split(clips, share, seed)
    assert sorted((*train, *held), key=clips.index) == clips
    assert list(train) == sorted(train, key=clips.index)
    counts = Counter(clip.label for clip in held)
    for label, size in sizes.items():
        assert abs(counts[label] - share * size) <= 1 or counts[label] in (1, size - 1)
        assert counts[label] < size
        assert counts[label] >= min(1, size - 1)
    assert (train, held) == split(clips, share, seed)


def test_another_seed_holds_out_others():
    clips = [Labelled(Path(str(n)), "ab"[n % 2]) for n in range(40)]
    assert split(clips, 0.5, 1) != split(clips, 0.5, 2)
