"""Of a repository only those files come that make up the checkpoint."""

from moviola import weights
from moviola.card import Weights

PIPELINE = {
    "model_index.json",
    "README.md",
    "samples/cat.gif",
    "svd_xt.safetensors",
    "scheduler/scheduler_config.json",
    "tokenizer/spiece.model",
    "transformer/config.json",
    "transformer/model-00001-of-00002.safetensors",
    "transformer/model-00002-of-00002.safetensors",
    "transformer/model.safetensors.index.json",
    "transformer/model.bf16-00001-of-00002.safetensors",
    "transformer/model.safetensors.index.bf16.json",
    "vae/model.safetensors",
    "vae/model.fp16.safetensors",
    "vae/model.bin",
}


def test_of_a_pipeline_one_copy_of_every_network_is_needed_and_nothing_that_runs_code():
    assert weights.needed_of(PIPELINE, Weights(repo="acme/film")) == {
        "model_index.json",
        "scheduler/scheduler_config.json",
        "tokenizer/spiece.model",
        "transformer/config.json",
        "transformer/model-00001-of-00002.safetensors",
        "transformer/model-00002-of-00002.safetensors",
        "transformer/model.safetensors.index.json",
        "vae/model.safetensors",
    }


def test_a_network_that_is_there_in_one_precision_alone_is_needed_in_that():
    paths = {"config.json", "model.fp16.safetensors"}
    assert weights.needed_of(paths, Weights(repo="acme/adapter")) == paths


def test_a_card_that_names_files_gets_these():
    assert weights.needed_of(PIPELINE, Weights(repo="acme/film", files=("svd*", "vae/*.bin"))) == {
        "svd_xt.safetensors",
        "vae/model.bin",
    }
