"""VideoMAE's network against the authors' implementation, and what is easily got wrong in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from moviola.nets.drop_path import DropPath
from moviola.recognition.transformer import Classifier
from moviola.recognition.videomae import by_the_authors, names, network, on_the_hub, positions

SHAPES: dict[str, dict[str, int]] = {
    "small": {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536},
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "huge": {
        "hidden_size": 1280,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "intermediate_size": 5120,
    },
    "g": {
        "patch_size": 14,
        "hidden_size": 1408,
        "num_hidden_layers": 40,
        "num_attention_heads": 16,
        "intermediate_size": 6144,
    },
}
LAYOUTS = [
    *((f"videomae-{size}.{layout}", size, 400) for size in list(SHAPES)[:4] for layout in ("hub", "pth")),
    *((f"videomae-v2-{size}.pth", size, 710) for size in ("small", "base", "g")),
]


def published(layout: str) -> dict[str, list[int]]:
    return json.loads((FOLDER / f"{layout}.keys.json").read_text())


def told(name: str = "videomae-square", **changes: Any) -> tuple[Classifier, Tensor, Any]:
    """Our network with the weights of a recording, its clip, and what the authors' implementation gave."""
    record = recording(name)
    made = network(**record["config"] | changes).eval()
    made.load_state_dict(names(checkpoint(record["keys"])))
    return made, clip(**record["input"]), record["output"]


@pytest.mark.parametrize(
    "name", ["videomae-square", "videomae-wide", "videomae-odd", "videomae-small", "videomae-v2"]
)
def test_it_computes_what_the_authors_implementation_does(name: str) -> None:
    made, video, output = told(name)
    with torch.inference_mode():
        assert difference(made(video), output) < 1e-5


@pytest.mark.parametrize(("layout", "size", "classes"), LAYOUTS, ids=[layout for layout, *_ in LAYOUTS])
def test_a_published_checkpoint_fits_entry_by_entry(layout: str, size: str, classes: int) -> None:
    keys = published(layout)
    with torch.device("meta"):
        made = network(classes=classes, frames=16, size=(224, 224), **SHAPES[size])
        state = {name: torch.empty(shape) for name, shape in keys.items()}
    made.load_state_dict(names(state), strict=True, assign=True)


@pytest.mark.parametrize("back", [by_the_authors, on_the_hub])
def test_names_in_every_layout_lead_to_the_same_network(back: Any) -> None:
    made, video, _ = told()
    again = network(**recording("videomae-square")["config"]).eval()
    again.load_state_dict(names(back(made.state_dict())))
    with torch.inference_mode():
        assert torch.equal(again(video), made(video))


def test_the_authors_layout_is_written_as_it_is_read() -> None:
    keys = recording("videomae-square")["keys"]
    state = checkpoint(keys)
    written = by_the_authors(names(state))
    assert written.keys() == state.keys()
    assert all(torch.equal(written[name], state[name]) for name in state)


def test_the_hub_has_biases_under_their_old_names() -> None:
    made, _, _ = told()
    written = on_the_hub(made.state_dict())
    of_a_layer = {name for name in written if "layer.0.attention.attention" in name}
    stem = "videomae.encoder.layer.0.attention.attention."
    assert {stem + "q_bias", stem + "v_bias"} < of_a_layer
    assert not any(name.endswith(("query.bias", "value.bias")) for name in written)
    assert set(written) == {name for name in published("videomae-base.hub") if ".layer." not in name} | {
        name for name in published("videomae-base.hub") if ".layer.0." in name or ".layer.1." in name
    }


def test_another_number_of_heads_is_another_function() -> None:
    """The Hub's configuration of ViT-S says 16 heads, the authors trained it with 6: entries fit either."""
    made, video, output = told(num_attention_heads=4)
    with torch.inference_mode():
        assert difference(made(video), output) > 1e-2


def test_epsilons_are_what_is_asked_for() -> None:
    made, _, _ = told()
    assert {part.eps for part in made.modules() if isinstance(part, nn.LayerNorm)} == {1e-6}


def test_without_a_word_the_norm_of_the_head_is_transformers() -> None:
    small: dict[str, Any] = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 1}
    made = network(classes=3, frames=2, size=(16, 16), layer_norm_eps=1e-12, **small)
    assert made.model.fc_norm.eps == 1e-5


def test_keys_have_no_bias_and_the_tokens_no_norm_of_their_own() -> None:
    made, _, _ = told()
    entries = made.state_dict()
    assert not any(name.endswith("key.bias") for name in entries)
    norms = [part for part in made.modules() if isinstance(part, nn.LayerNorm)]
    assert len(norms) == 2 * 2 + 1
    assert made.model.videomae.layernorm is None


def test_attention_is_fused_in_every_layer() -> None:
    class Counted(TorchFunctionMode):
        calls = 0

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.calls += func is nn.functional.scaled_dot_product_attention
            return func(*args, **kwargs or {})

    made, video, _ = told()
    with torch.inference_mode(), Counted() as counted:
        made(video)
    assert counted.calls == 2


@pytest.mark.parametrize(("count", "width"), [(1, 6), (12, 48), (7, 33)])
def test_positions_are_transformers(count: int, width: int) -> None:
    from transformers.models.videomae.modeling_videomae import get_sinusoid_encoding_table

    assert torch.equal(positions(count, width), get_sinusoid_encoding_table(count, width))


def test_positions_are_no_entry_and_survive_a_network_without_memory() -> None:
    config = recording("videomae-square")["config"]
    with torch.device("meta"):
        bare = network(**config).eval()
    made, video, output = told()
    assert not any("position" in name for name in bare.state_dict())
    bare.load_state_dict(made.state_dict(), assign=True)
    with torch.inference_mode():
        assert difference(bare(video), output) < 1e-5


def test_logits_are_the_head_on_the_features() -> None:
    made, video, _ = told()
    with torch.inference_mode():
        features = made.features(video)
        assert features.shape == (2, 48)
        assert torch.equal(made.head(features), made(video))


def test_a_sample_does_not_depend_on_its_batch() -> None:
    made, video, _ = told()
    with torch.inference_mode():
        torch.testing.assert_close(made(video)[1:], made(video[1:]))


@pytest.mark.parametrize("shape", [(1, 3, 6, 32, 32), (1, 3, 4, 32, 48), (1, 3, 4, 16, 32)])
def test_videos_of_another_size_are_refused(shape: tuple[int, ...]) -> None:
    made, _, _ = told()
    with pytest.raises(ValueError, match=r"takes videos of \(4, 32, 32\)"):
        made(torch.zeros(shape))


def test_it_runs_in_bfloat16() -> None:
    made, video, output = told()
    with torch.inference_mode():
        assert difference(made.to(torch.bfloat16)(video.to(torch.bfloat16)), output) < 0.05


def test_training_leaves_branches_and_features_out_and_testing_does_not() -> None:
    made, video, output = told(drop_path=0.5, head_dropout=0.5)
    drops = [part for part in made.model.modules() if isinstance(part, DropPath)]
    assert [drop.rate for drop in drops] == [0, 0.5]
    assert made.dropout.p == 0.5
    torch.manual_seed(0)
    made.train()
    with torch.no_grad():
        assert not torch.equal(made.features(video), made.features(video))
    with torch.inference_mode():
        assert difference(made.eval()(video), output) < 1e-5


def test_a_branch_left_out_adds_nothing() -> None:
    made, video, _ = told(drop_path=1 - 1e-12)
    bare, _, _ = told()
    last = bare.model.videomae.encoder.layer[1]
    with torch.no_grad():
        for dense in (last.attention.output.dense, last.output.dense):
            dense.weight.zero_()
            dense.bias.zero_()
        made.train()
        torch.testing.assert_close(made(video), bare(video))
