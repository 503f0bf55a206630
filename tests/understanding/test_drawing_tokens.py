"""Drawing tokens, and the text that comes of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moviola.errors import ModelError
from moviola.understanding.generating import Speech, choose
from moviola.understanding.speaker import Manner


def test_without_temperature_the_likeliest_is_taken():
    assert choose(torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 1.0]]), Manner()).tolist() == [1, 0]


def test_chance_follows_the_probabilities_and_a_seed_repeats_it():
    logits = torch.tensor([[0.0, 1.0, -1.0]]).expand(4000, -1)
    manner = Manner(temperature=0.5)
    drawn = choose(logits, manner, torch.Generator().manual_seed(1))
    shares = (logits[0] / 0.5).softmax(-1)
    assert torch.bincount(drawn, minlength=3) / 4000 == pytest.approx(shares, abs=0.03)
    again = choose(logits, manner, torch.Generator().manual_seed(1))
    assert torch.equal(drawn, again)


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().expand(500, -1)
    drawn = {
        top: set(choose(logits, Manner(temperature=1, top_p=top), torch.Generator().manual_seed(0)).tolist())
        for top in (0.4, 0.5, 0.6, 0.96)
    }
    assert drawn == {0.4: {0}, 0.5: {0}, 0.6: {0, 1}, 0.96: {0, 1, 2, 3}}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_that_gives_no_numbers_is_an_error(value):
    with pytest.raises(ModelError, match="--dtype float32"):
        choose(torch.tensor([[0.0, value]]), Manner())


def bytes_of(ids: list[int]) -> str:
    return bytes(ids).decode("utf-8", "replace")


@given(st.text(max_size=40))
def test_pieces_add_up_to_the_text_and_no_character_is_torn(text):
    speech = Speech(bytes_of)
    pieces = [speech.add(token) for token in text.encode()] + [speech.end()]
    assert "".join(pieces) == speech.text == text
    assert not any("�" in piece for piece in pieces) or "�" in text


@given(st.text("ab#", max_size=20), st.sampled_from(["#", "##", "###"]))
def test_speech_ends_before_a_stop(text, stop):
    speech = Speech(bytes_of, [stop])
    pieces = []
    for token in text.encode():
        pieces.append(speech.add(token))
        if speech.over:
            break
    pieces.append(speech.end())
    assert "".join(pieces) == speech.text == text.partition(stop)[0]
    assert speech.over == (stop in text)
