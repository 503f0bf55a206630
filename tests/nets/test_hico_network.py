"""HiCo's merging of tokens, and all of InternVideo2.5's network, against the authors' implementation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from recorded import checkpoint, clip, difference, recording
from transformers import DynamicCache

from moviola.nets.hico import joined, merged, rounds
from moviola.understanding.families.internvideo2_5 import Network, published, renamed

MERGING = recording("hico-merging")
WHOLE = recording("internvideo2_5")


@pytest.fixture(scope="module")
def network() -> Network:
    made = Network(WHOLE["config"], clip=WHOLE["clip"], tokens=WHOLE["tokens"]).eval()
    theirs = checkpoint(WHOLE["keys"])
    made.load_state_dict(dict(renamed(iter(theirs.items()), made.language_model.config)), strict=True)
    return made


@pytest.mark.parametrize(
    "case", MERGING["cases"], ids=lambda case: f"{case['input']['shape']}-{case['left']}"
)
def test_merged_tokens_are_those_of_the_authors(case: dict) -> None:
    tokens = clip(**case["input"])
    assert difference(merged(tokens, case["left"], case["heads"]), case["output"]) < 1e-5


@given(some.integers(1, 3000), some.integers(1, 3000))
def test_a_round_takes_half_of_the_tokens_at_most_and_all_rounds_leave_what_was_asked(
    tokens: int, left: int
) -> None:
    remaining = tokens
    for taken in rounds(tokens, left):
        assert 0 < taken <= remaining // 2
        remaining -= taken
    assert remaining == min(tokens, left)


def test_the_mean_of_all_tokens_weighted_by_what_went_into_each_is_kept() -> None:
    """All into one: whatever the order of merging, it is the plain mean."""
    tokens = clip("tokens", (2, 37, 12))
    torch.testing.assert_close(merged(tokens, 1, 3)[:, 0], tokens.mean(1))


def test_tokens_that_are_alike_become_one_and_others_stay() -> None:
    one, other, third = torch.eye(3).tolist()
    tokens = torch.tensor([[one, one, other, third]])
    assert merged(tokens, 3, 1)[0].tolist() == [other, one, third]


def test_nothing_is_merged_where_no_token_is_too_many() -> None:
    tokens = clip("tokens", (1, 5, 4))
    assert merged(tokens, 5, 2) is tokens


def test_a_clip_is_merged_for_itself() -> None:
    clips = clip("tokens", (3, 64, 16))
    torch.testing.assert_close(merged(clips, 9, 4)[1:2], merged(clips[1:2], 9, 4))


def test_four_neighbouring_patches_become_one_token_row_by_row() -> None:
    numbered = torch.arange(16.0)[None, :, None]
    assert joined(numbered)[0].tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]


def test_features_of_frames_are_those_of_the_authors(network: Network) -> None:
    with torch.inference_mode():
        features = network.features(clip(**WHOLE["input"]))
    assert difference(features, WHOLE["features"]) < 1e-4


def test_the_heads_of_the_language_model_tell_what_is_alike(network: Network) -> None:
    """Those of the vision network would too, and merge otherwise."""
    assert network.heads == WHOLE["config"]["llm_config"]["num_attention_heads"]
    assert network.heads != WHOLE["config"]["vision_config"]["num_attention_heads"]


@pytest.mark.parametrize("which", ["", "long_"])
def test_llama_answers_as_internlm2(network: Network, which: str) -> None:
    """Also beyond the positions it was made for, where its rotary positions are stretched."""
    ids = torch.tensor(WHOLE[f"{which}ids"])
    assert (ids.shape[1] > WHOLE["config"]["llm_config"]["max_position_embeddings"]) == bool(which)
    with torch.inference_mode():
        logits = network.language_model(input_ids=ids).logits[:, -1]
    assert difference(logits, WHOLE[f"{which}logits"]) < 1e-4


def test_llama_answers_as_internlm2_token_by_token(network: Network) -> None:
    ids, cache = torch.tensor(WHOLE["ids"]), DynamicCache()
    with torch.inference_mode():
        for place in range(ids.shape[1]):
            output = network.language_model(input_ids=ids[:, place : place + 1], past_key_values=cache)
    assert difference(output.logits[:, -1], WHOLE["logits"]) < 1e-4


def test_queries_keys_and_values_lie_in_groups_of_one_matrix(network: Network) -> None:
    """Cut in three, as others' matrices are, it would fit and answer nonsense."""
    theirs = checkpoint(WHOLE["keys"])["language_model.model.layers.1.attention.wqkv.weight"]
    attention = network.language_model.model.layers[1].self_attn
    # 4 heads of 8 that share 2 keys: two queries, their key, their value, and the same again.
    assert torch.equal(attention.q_proj.weight, torch.cat((theirs[:16], theirs[32:48])))
    assert torch.equal(attention.k_proj.weight, torch.cat((theirs[16:24], theirs[48:56])))
    assert torch.equal(attention.v_proj.weight, torch.cat((theirs[24:32], theirs[56:64])))


def test_what_a_network_holds_is_told_under_the_published_names(network: Network) -> None:
    theirs = checkpoint(WHOLE["keys"])
    told = published(network)
    assert told.keys() == theirs.keys()
    assert all(torch.equal(told[name], theirs[name]) for name in told)
