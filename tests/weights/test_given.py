"""A checkpoint that the user names is taken in place of the published one, if it can be one."""

import pytest

from moviola import weights
from moviola.card import ModelCard, Understanding
from moviola.errors import InputError
from pulls import RECOGNITION, card, one_line


class TestGivenFolder:
    def test_is_taken_in_place_of_the_published_one(self, tmp_path):
        (tmp_path / "unet").mkdir()
        (tmp_path / "unet" / "model.safetensors").touch()
        assert weights.folders(card(), tmp_path) == (tmp_path,)

    def test_that_is_no_folder(self, tmp_path):
        with one_line(InputError, "none is no folder"):
            weights.folders(card(), tmp_path / "none")

    @pytest.mark.parametrize("name", [None, "readme.md"])
    def test_that_holds_no_weights(self, tmp_path, name):
        if name is not None:
            (tmp_path / name).touch()
        with one_line(InputError, "holds no weights", str(tmp_path)):
            weights.folders(card(), tmp_path)

    def test_of_a_model_that_speaks_may_be_pickled(self, tmp_path):
        (tmp_path / "pytorch_model.bin").touch()
        speaking = Understanding(frames=8, max_frames=8, context=512, layers=1, key_width=1)
        assert weights.folders(card(understanding=speaking), tmp_path) == (tmp_path,)
        with one_line(InputError, "holds no weights", str(tmp_path)):
            weights.folders(card(), tmp_path)

    def test_can_be_told_from_a_changed_one(self, tmp_path):
        (tmp_path / "unet").mkdir()
        file = tmp_path / "unet" / "model.safetensors"
        file.write_bytes(b"abc")
        before = weights.fingerprint(tmp_path)
        assert weights.fingerprint(tmp_path) == before
        file.write_bytes(b"abcd")
        assert weights.fingerprint(tmp_path) != before


def recognizer() -> ModelCard:
    return card(tasks=("recognize",), recognition=RECOGNITION)


class TestGivenToARecognizer:
    @pytest.mark.parametrize(
        "name", ["a.safetensors", "model.bin", "a.pt", "a.pth", "a.pyth", "a.pkl", "a.index"]
    )
    def test_a_folder_with_any_kind_of_checkpoint(self, tmp_path, name):
        (tmp_path / name).touch()
        assert weights.folders(recognizer(), tmp_path) == (tmp_path,)

    def test_a_single_file(self, tmp_path):
        file = tmp_path / "x3d_m.pyth"
        file.touch()
        assert weights.folders(recognizer(), file) == (file,)

    def test_a_file_of_another_kind(self, tmp_path):
        (tmp_path / "clip.mp4").touch()
        with one_line(InputError, "clip.mp4 is no checkpoint", "*.pyth"):
            weights.folders(recognizer(), tmp_path / "clip.mp4")

    def test_a_folder_without_any(self, tmp_path):
        (tmp_path / "readme.md").touch()
        with one_line(InputError, str(tmp_path), "holds no weights", "*.safetensors"):
            weights.folders(recognizer(), tmp_path)

    def test_a_path_where_nothing_is(self, tmp_path):
        with one_line(InputError, "none is no folder and no file"):
            weights.folders(recognizer(), tmp_path / "none")

    def test_a_file_can_be_told_from_a_changed_one(self, tmp_path):
        file = tmp_path / "x3d_m.pyth"
        file.write_bytes(b"abc")
        (tmp_path / "notes.txt").touch()
        before = weights.fingerprint(file)
        (tmp_path / "notes.txt").write_bytes(b"of no account")
        assert weights.fingerprint(file) == before
        file.write_bytes(b"abcd")
        assert weights.fingerprint(file) != before


def test_a_generator_is_not_made_of_a_single_file_or_pickles(tmp_path):
    (tmp_path / "model.bin").touch()
    with one_line(InputError, "holds no weights"):
        weights.folders(card(), tmp_path)
    with one_line(InputError, "model.bin is no folder"):
        weights.folders(card(), tmp_path / "model.bin")
