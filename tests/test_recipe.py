"""A recipe says what made a result; a fingerprint says whether an input is still the same."""

import os

from moviola import registry
from moviola.recipe import fingerprint, recipe
from moviola.tasks import Interpolate, request


def test_a_recipe_holds_request_model_and_versions():
    task = request(Interpolate, {"video": "a.mp4", "factor": "5/2", "overwrite": True})
    _, card = registry.find("flow")
    made = recipe(task, card, {"video": None})
    assert made["verb"] == "interpolate"
    assert made["model"] == "flow"
    assert made["request"]["factor"] == "5/2"
    assert "overwrite" not in made["request"]
    assert made["inputs"] == {"video": None}
    assert {"moviola", "av", "numpy", "python"} <= set(made["versions"])
    assert request(Interpolate, made["request"]).factor == task.factor


def test_a_file_that_changed_has_another_fingerprint(tmp_path):
    file = tmp_path / "a.mp4"
    file.write_bytes(b"1")
    first = fingerprint(file)
    assert fingerprint(str(file)) == first
    os.utime(file, ns=(1, 1))
    assert fingerprint(file) != first
    file.write_bytes(b"12")
    assert fingerprint(file) != first


def test_a_folder_changes_with_its_files(tmp_path):
    (tmp_path / "0.png").write_bytes(b"1")
    first = fingerprint(tmp_path)
    (tmp_path / "1.png").write_bytes(b"1")
    assert fingerprint(tmp_path) != first


def test_numbered_files_change_as_a_folder_does_and_no_other_file_counts(tmp_path):
    pattern = tmp_path / "picture-%d.png"
    for number in (1, 2):
        (tmp_path / f"picture-{number}.png").write_bytes(b"1")
    first = fingerprint(pattern)
    (tmp_path / "other.png").write_bytes(b"1")
    assert fingerprint(pattern) == first
    os.utime(tmp_path / "picture-2.png", ns=(2**62, 2**62))
    assert fingerprint(pattern) != first


def test_what_is_in_memory_has_none():
    assert fingerprint([1, 2]) is None
