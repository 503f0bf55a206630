"""The Q-Former against the authors' implementation, and what is easily got wrong in it."""

from __future__ import annotations

import json

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording

from moviola.nets.bridge import Bridge
from moviola.nets.qformer import QFormer, names
from moviola.nets.umt import UMT

TOLD = recording("qformer")
QUERIES = ("query_tokens", "extra_query_tokens")


def network() -> QFormer:
    made = QFormer(**TOLD["config"]).eval()
    made.load_state_dict(names(checkpoint(TOLD["keys"]), *QUERIES, bert="qformer.bert."))
    return made


@pytest.mark.parametrize(
    "told", TOLD["outputs"], ids=lambda told: f"{told['seen']['shape'][1]} seen, {len(told['text'])} words"
)
def test_it_computes_what_the_authors_implementation_does(told: dict) -> None:
    with torch.inference_mode():
        features = network()(clip(**told["seen"]), torch.tensor(told["text"]))
    assert difference(features, told["output"]) < 1e-5


def test_a_published_checkpoint_fits_entry_by_entry() -> None:
    keys = json.loads((FOLDER / "videochat2-mistral.keys.json").read_text())
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in keys.items()}
        made = QFormer(encoder_width=1024, queries=96)
        named = names(state, *QUERIES, bert="qformer.bert.")
    made.load_state_dict(named, strict=True, assign=True)
    # 32 + 64 queries, and a word that BERT has not: [DEC].
    assert made.queries.shape == (1, 96, 768)
    assert made.words.weight.shape == (30523, 768)


def test_the_queries_that_were_added_come_last() -> None:
    state = checkpoint(TOLD["keys"])
    queries = names(state, *QUERIES, bert="qformer.bert.")["queries"]
    assert torch.equal(queries[:, :5], state["query_tokens"])
    assert torch.equal(queries[:, 5:], state["extra_query_tokens"])


def test_only_every_second_layer_looks_from_the_first_on() -> None:
    assert [layer.looking is not None for layer in network().layers] == [True, False, True]
    every = QFormer(encoder_width=8, width=8, layers=4, heads=2, mlp=8, looks=3, words=4, places=4)
    assert [layer.looking is not None for layer in every.layers] == [True, False, False, True]


def test_the_text_decides_what_is_seen_and_so_does_its_order() -> None:
    seen = clip("qformer-30", (2, 30, 24))
    made = network()
    with torch.inference_mode():
        said, otherwise, turned = (
            made(seen, torch.tensor(text)) for text in ([7, 3, 22], [7, 4, 22], [22, 3, 7])
        )
    assert difference(otherwise, said.tolist()) > 1e-3
    assert difference(turned, said.tolist()) > 1e-3


def test_what_is_looked_at_has_no_order_of_its_own() -> None:
    """Positions are the encoder's matter: the queries attend to a set."""
    seen, text = clip("qformer-30", (2, 30, 24)), torch.tensor([7, 3])
    made = network()
    with torch.inference_mode():
        torch.testing.assert_close(made(seen.flip(1), text), made(seen, text), rtol=1e-4, atol=1e-5)


def test_queries_and_text_have_feed_forward_layers_of_their_own() -> None:
    """After the last layer nobody attends any more, so what the text becomes there does not matter."""
    seen, text = clip("qformer-30", (2, 30, 24)), torch.tensor([7, 3])
    made = network()
    with torch.inference_mode():
        before = made(seen, text)
        made.layers[-1].text_mlp.fc2.weight.zero_()
        assert torch.equal(made(seen, text), before)
        made.layers[0].text_mlp.fc2.weight.zero_()
        assert difference(made(seen, text), before.tolist()) > 1e-4


def test_the_text_does_not_look_at_the_video_itself() -> None:
    """In the only layer that looks, all that a text learns of a video comes to it later."""
    made = network()
    layer = made.layers[0]
    queries, words = clip("qformer-queries", (1, 8, 32)), clip("qformer-words", (1, 4, 32))
    with torch.inference_mode():
        one = layer(queries, words, clip("qformer-one", (1, 6, 24)))
        other = layer(queries, words, clip("qformer-other", (1, 6, 24)))
    assert torch.equal(one[1], other[1])
    assert not torch.equal(one[0], other[0])


def test_a_bridge_goes_from_frames_to_what_a_language_model_reads() -> None:
    encoder = UMT(width=24, depth=1, heads=2, mlp=32, patch=16)
    made = Bridge(encoder, network(), seen=24, told=40).eval()
    video, text = clip("bridge", (2, 3, 5, 32, 32)), torch.tensor([7, 3, 22])
    with torch.inference_mode():
        features = made(video, text)
        expected = made.proj(made.qformer(made.norm(encoder(video)), text))
    assert features.shape == (2, 8, 40)
    assert torch.equal(features, expected)


def test_bfloat16_stays_near_float32() -> None:
    seen, text = clip("qformer-30", (2, 30, 24)), torch.tensor([7, 3, 22])
    made = network()
    with torch.inference_mode():
        exact = made(seen, text)
        rounded = made.to(torch.bfloat16)(seen.bfloat16(), text)
    assert rounded.dtype == torch.bfloat16
    assert difference(rounded, exact.tolist()) < 0.05
