"""MoViNet's checkpoints as Google publishes them, which are TensorFlow's.

`recorded/movinet-tensorflow-*` were written by TensorFlow 2.15 with Google's own code, from random weights.
"""

from __future__ import annotations

import pytest
import torch
from recorded import FOLDER, clip, difference, recording

from moviola.models.movinet import CARDS, names
from moviola.nets.movinet import MoViNet
from moviola.nets.movinet_layouts import from_tensorflow, to_port
from moviola.recognition.tensorflow import read

KINDS = pytest.mark.parametrize("kind", ["base", "stream"])


@KINDS
def test_it_answers_as_it_did_in_tensorflow(kind: str) -> None:
    # base: saved alone, its variables are under "model". stream: saved with its backbone, which comes first.
    told = recording(f"movinet-tensorflow-{kind}")
    network = MoViNet(**told["config"]).eval()
    state = read(FOLDER / f"movinet-tensorflow-{kind}/ckpt-1.index")
    assert ("backbone/layer_with_weights-0/_stem/_batch_norm/gamma" in state) == (kind == "stream")
    network.load_state_dict(from_tensorflow(state, told["config"]["stages"]))
    with torch.inference_mode():
        assert difference(network(clip(**told["input"])), told["output"]) < 1e-5


@KINDS
def test_a_family_tells_the_two_layouts_apart(kind: str) -> None:
    told = recording(f"movinet-tensorflow-{kind}")
    card = next(card for card in CARDS if card.id == f"movinet-a0-{kind}")
    card = card.model_copy(update={"network": told["config"]})
    state = names(card, read(FOLDER / f"movinet-tensorflow-{kind}/ckpt-1.index"))
    again = names(card, to_port(state, told["config"]["causal"]))
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
