"""What a checkpoint says of itself goes over what its card says."""

import pytest

from moviola import weights
from moviola.card import Denoiser, Limits, Native, Part
from moviola.errors import InputError
from pulls import RECOGNITION, card, one_line

TINY = {
    "limits": Limits(max_frames=9, frame_step=4, frame_base=1, sizes=((64, 32),)),
    "native": Native(size=(64, 32), frames=9, fps=8, steps=2, guidance=5),
    "parts": (Part(name="transformer", parameters=1000, role="denoiser"),),
    "denoiser": Denoiser(stride=(4, 8, 8), layers=2, width=16),
}

OTHER = RECOGNITION.model_copy(update={"labels": "kinetics-400", "classes": 400})


class TestOwnCard:
    def test_comes_back_as_it_was_written(self, tmp_path):
        tiny = card(**TINY)
        weights.write_own_card(tiny, tmp_path)
        assert weights.own_card(card(), tmp_path) == tiny

    def test_changes_only_what_it_names(self, tmp_path):
        (tmp_path / weights.OWN_CARD).write_text('{"limits": {"max_frames": 5}}')
        changed = weights.own_card(card(native=TINY["native"]), tmp_path)
        assert changed == card(native=TINY["native"], limits=Limits(max_frames=5))

    def test_a_recognizer_comes_back_with_its_network(self, tmp_path):
        tiny = card(recognition=RECOGNITION, network={"depth": 2, "widths": [8, 16]})
        weights.write_own_card(tiny, tmp_path)
        assert weights.own_card(card(recognition=OTHER, network={"depth": 50}), tmp_path) == tiny

    def test_a_file_s_lies_beside_it(self, tmp_path):
        (tmp_path / "tuned.pth").touch()
        (tmp_path / weights.OWN_CARD).write_text('{"network": {"depth": 2}}')
        assert weights.own_card(card(), tmp_path / "tuned.pth") == card(network={"depth": 2})

    def test_a_folder_without_one_changes_nothing(self, tmp_path):
        assert weights.own_card(card(), tmp_path) == card()

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("{", "JSON"),
            ("[]", "should be an object"),
            (
                '{"id": "other"}',
                "id is not one of codec, denoiser, embedding, limits, native, network, parts, recognition",
            ),
            ('{"limits": {"max_frame": 5}}', "limits.max_frame"),
            ('{"native": {"size": 5}}', "native.size"),
        ],
    )
    def test_one_that_cannot_be_meant(self, tmp_path, text, says):
        (tmp_path / weights.OWN_CARD).write_text(text)
        with one_line(InputError, str(tmp_path / weights.OWN_CARD), says):
            weights.own_card(card(), tmp_path)
