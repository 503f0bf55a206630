"""Prompts are read as the tokenizer's own file says."""

import json

import pytest
import transformers

from moviola.diffusion import tiny
from moviola.diffusion.tokenizer import as_written


@pytest.fixture
def folder(tmp_path):
    """A tokenizer of Llama 3's kind under the name that HunyuanVideo's repository gives it."""
    tiny.llama("a calm lake")[0].save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": "LlamaTokenizerFast"}))
    return tmp_path


def test_a_byte_level_llama_tokenizer_keeps_its_spaces(folder):
    tokenizer = as_written(transformers.LlamaTokenizerFast.from_pretrained(folder), folder)
    tokens = tokenizer("a calm lake").input_ids
    assert tokenizer.convert_ids_to_tokens(tokens) == ["<|begin_of_text|>", "a", "Ġcalm", "Ġlake"]
    assert tokenizer.padding_side == "right"


def test_all_else_is_left_as_it_is(folder):
    tokenizer, _ = tiny.t5()
    assert as_written(tokenizer, folder) is tokenizer
    assert as_written(None, folder) is None
