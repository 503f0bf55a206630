"""A cache that is taken back is as if it had never read on."""

import pytest
import torch
import transformers
from transformers import DynamicCache

from moviola.understanding.rewinding import Mark

SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
KINDS = {
    "keys and values": (transformers.Qwen3ForCausalLM, transformers.Qwen3Config(**SIZES)),
    "three of four layers of linear attention": (
        transformers.Qwen3_5ForCausalLM,
        transformers.Qwen3_5TextConfig(
            **SIZES,
            linear_num_key_heads=2,
            linear_num_value_heads=4,
            linear_key_head_dim=8,
            linear_value_head_dim=8,
        ),
    ),
}
BEFORE, ASIDE, AFTER = [[1, 2, 3, 4, 5]], [[6, 7, 8]], [[9, 10]]


@pytest.fixture(params=KINDS)
def network(request: pytest.FixtureRequest):
    kind, config = KINDS[request.param]
    torch.manual_seed(0)
    return kind(config).eval()


@torch.inference_mode()
def read(network, cache: DynamicCache, ids: list[list[int]]) -> torch.Tensor:
    return network(input_ids=torch.tensor(ids), past_key_values=cache, use_cache=True).logits[:, -1]


def test_what_was_read_since_is_forgotten(network):
    cache, other = DynamicCache(config=network.config), DynamicCache(config=network.config)
    read(network, cache, BEFORE)
    mark = Mark(cache)
    read(network, cache, ASIDE)
    mark.take_back(cache)
    read(network, other, BEFORE)
    assert cache.get_seq_length() == 5
    torch.testing.assert_close(read(network, cache, AFTER), read(network, other, AFTER))


def test_it_can_be_taken_back_again(network):
    cache = DynamicCache(config=network.config)
    read(network, cache, BEFORE)
    mark = Mark(cache)
    answers = []
    for _ in range(2):
        answers.append(read(network, cache, ASIDE))
        mark.take_back(cache)
    torch.testing.assert_close(*answers)


def test_without_it_what_was_read_counts(network):
    cache, other = DynamicCache(config=network.config), DynamicCache(config=network.config)
    read(network, cache, BEFORE)
    read(network, cache, ASIDE)
    read(network, other, BEFORE)
    assert not torch.allclose(read(network, cache, AFTER), read(network, other, AFTER), atol=1e-3)
