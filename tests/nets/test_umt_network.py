"""UMT-L as VideoChat2 takes it, against the authors' implementation, and what is easily got wrong in it."""

from __future__ import annotations

import json
import math

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording

from moviola.nets.umt import UMT, positions, sines

TOLD = recording("umt")


def network() -> UMT:
    made = UMT(**TOLD["config"]).eval()
    made.load_state_dict(checkpoint(TOLD["keys"]))
    return made


def shown(frames: int) -> torch.Tensor:
    shape = [frames if size == "frames" else size for size in TOLD["input"]["shape"]]
    return clip(TOLD["input"]["name"], shape)


@pytest.mark.parametrize("told", TOLD["outputs"], ids=lambda told: f"{told['frames']} frames")
def test_it_computes_what_the_authors_implementation_does(told: dict) -> None:
    with torch.inference_mode():
        tokens = network()(shown(told["frames"]))
    assert difference(tokens[0], told["output"]) < 1e-5


def test_a_published_checkpoint_fits_entry_by_entry() -> None:
    keys = json.loads((FOLDER / "videochat2-mistral.keys.json").read_text())
    own = "vision_encoder.encoder."
    with torch.device("meta"):
        state = {
            name.removeprefix(own): torch.empty(shape) for name, shape in keys.items() if name.startswith(own)
        }
        made = UMT()
    made.load_state_dict(state, strict=True, assign=True)
    assert sum(weight.numel() for weight in made.parameters()) == 290_477_056


@pytest.mark.parametrize(
    "told", recording("umt-positions")["tables"], ids=lambda told: f"{told['frames']} frames"
)
def test_positions_are_those_of_the_authors_notebook(told: dict) -> None:
    table = positions(told["frames"], 196, 1024, 4)
    assert table.shape == (196 * told["frames"], 1024)
    assert difference(table[::97, ::61], told["table"]) < 1e-6


def test_positions_are_sines_and_cosines_in_turn() -> None:
    table = sines(5, 6)
    assert table[3, 0] == pytest.approx(math.sin(3), abs=1e-6)
    assert table[3, 1] == pytest.approx(math.cos(3), abs=1e-6)
    assert table[3, 4] == pytest.approx(math.sin(3 / 10_000 ** (4 / 6)), abs=1e-6)


def test_a_single_frame_is_a_picture_and_not_the_middle_of_a_video() -> None:
    assert torch.equal(positions(1, 4, 8, 4), sines(16, 8)[:4])


def test_frames_are_told_apart_by_their_positions_alone() -> None:
    """The same picture, shown twice, becomes two different tokens; without positions these would be alike."""
    still = shown(1).expand(-1, -1, 4, -1, -1)
    with torch.inference_mode():
        tokens = network()(still).unflatten(1, (4, 4))
    assert (tokens[:, 0] - tokens[:, 1]).abs().max() > 0.1


def test_keys_have_no_bias() -> None:
    """A bias of keys would move all of a query's scores alike, and the softmax not at all."""
    entries = network().blocks[0].attn.state_dict().keys()
    assert {"q_bias", "v_bias"} < entries
    assert not {"k_bias", "qkv.bias"} & entries


def test_videos_of_a_batch_do_not_see_each_other() -> None:
    made, video = network(), shown(4)
    other = clip("umt-other", tuple(video.shape))
    with torch.inference_mode():
        alone, together = made(video), made(torch.cat((other, video)))
    torch.testing.assert_close(together[1:], alone)


def test_bfloat16_stays_near_float32() -> None:
    made, video = network(), shown(8)
    with torch.inference_mode():
        exact = made(video)
        rounded = made.to(torch.bfloat16)(video.bfloat16())
    assert rounded.dtype == torch.bfloat16
    assert difference(rounded, exact.tolist()) < 0.03
