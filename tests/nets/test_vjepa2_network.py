"""V-JEPA 2's classifiers against the authors' implementation, and what is easily got wrong in them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor, nn

from moviola.recognition.transformer import theirs
from moviola.recognition.vjepa2 import Probed, names, network

RECORDINGS = ["vjepa2-one-clip", "vjepa2-two-clips", "vjepa2-levels"]
LAYOUTS: dict[str, dict[str, Any]] = {
    "vjepa2-l-ssv2.hub": {"classes": 174, "frames": 16, "size": (256, 256)},
    "vjepa2-g-diving48.hub": {
        "classes": 48,
        "frames": 32,
        "size": (384, 384),
        "hidden_size": 1408,
        "num_hidden_layers": 40,
        "num_attention_heads": 22,
        "mlp_ratio": 48 / 11,
        "probe_heads": 16,
        "probe_norm_eps": 1e-5,
        "levels": [24, 29, 34, 39],
    },
}
AS_ON_THE_HUB = (
    (r"^backbone\.patch_embed", "vjepa2.encoder.embeddings.patch_embeddings"),
    (r"^backbone\.norm\.", "vjepa2.encoder.layernorm."),
    (r"^(backbone\.blocks\.\d+)\.attn\.", r"\1.attention."),
    (r"^backbone\.blocks", "vjepa2.encoder.layer"),
    (r"^(pooler\.blocks\.\d+)\.attn\.proj\.", r"\1.self_attn.out_proj."),
    (r"^(pooler\.blocks\.\d+)\.attn\.", r"\1.self_attn."),
    (r"^pooler\.blocks", "pooler.self_attention_layers"),
    (r"^pooler\.cross_attention_block\.xattn\.q\.", "pooler.cross_attention_layer.cross_attn.q_proj."),
    (r"^pooler\.cross_attention_block\.xattn\.", "pooler.cross_attention_layer.cross_attn."),
    (r"^pooler\.cross_attention_block", "pooler.cross_attention_layer"),
    (r"^(pooler\..*)\.norm(\d)", r"\1.layer_norm\2"),
    (r"^linear\.", "classifier."),
)
"""From the authors' names, as recorded, to those of the checkpoints that transformers' converter made."""


def converted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    held = {}
    for name, tensor in state.items():
        for pattern, new in AS_ON_THE_HUB:
            name = re.sub(pattern, new, name)
        parts = ("query", "key", "value") if name.startswith("vjepa2.") else ("q_proj", "k_proj", "v_proj")
        fused = re.search(r"\.(qkv|kv)\.", name)
        if fused is None:
            held[name] = tensor
            continue
        whole = parts[-len(fused[1]) :]
        for part, rows in zip(whole, tensor.chunk(len(whole)), strict=True):
            held[name.replace(fused[0], f".{part}.")] = rows
    return held


def told(name: str = "vjepa2-one-clip", **changes: Any) -> tuple[Probed, Tensor, Any]:
    """Our network with the weights of a recording, its clip, and what the authors' implementation gave."""
    record = recording(name)
    made = network(**record["config"] | changes).eval()
    made.load_state_dict(names(converted(checkpoint(record["keys"]))))
    return made, clip(**record["input"]), record["output"]


@pytest.mark.parametrize("name", RECORDINGS)
def test_it_computes_what_the_authors_implementation_does(name: str) -> None:
    made, video, output = told(name)
    with torch.inference_mode():
        assert difference(made(video), output) < 1e-5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_published_checkpoint_fits_entry_by_entry_but_for_the_predictor(layout: str) -> None:
    keys = json.loads((FOLDER / f"{layout}.keys.json").read_text())
    assert any("predictor" in name for name in keys)
    with torch.device("meta"):
        made = network(**LAYOUTS[layout])
        state = {name: torch.empty(shape) for name, shape in keys.items()}
    made.load_state_dict(names(state), strict=True, assign=True)


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_probe_has_heads_of_its_own(name: str) -> None:
    """The authors' probes have 16; transformers gives them the encoder's, 22 with ViT-g: all entries fit."""
    made, video, output = told(name, probe_heads=None)
    with torch.inference_mode():
        assert difference(made(video), output) > 1e-2


def test_the_probe_sees_the_levels_it_was_trained_on() -> None:
    made, video, output = told("vjepa2-levels", levels=())
    with torch.inference_mode():
        assert difference(made(video), output) > 1e-2


def test_without_a_word_the_probe_is_transformers() -> None:
    from transformers import VJEPA2Config, VJEPA2ForVideoClassification

    made, video, _ = told(probe_heads=None, probe_norm_eps=None)
    fields = {
        name: value
        for name, value in recording("vjepa2-one-clip")["config"].items()
        if not name.startswith("probe")
    }
    config = VJEPA2Config(
        num_labels=fields.pop("classes"),
        frames_per_clip=fields.pop("frames"),
        crop_size=fields.pop("size")[0],
        pred_num_hidden_layers=0,
        **fields,
    )
    library = VJEPA2ForVideoClassification(config).eval()
    library.load_state_dict(theirs(made.state_dict()), strict=False)
    with torch.inference_mode():
        torch.testing.assert_close(made(video), library(video.transpose(1, 2)).logits)


def test_epsilons_differ_between_encoder_and_probe() -> None:
    made, _, _ = told()

    def epsilons(part: nn.Module) -> set[float]:
        return {norm.eps for norm in part.modules() if isinstance(norm, nn.LayerNorm)}

    assert epsilons(made.model.vjepa2) == {1e-6}
    assert epsilons(made.model.pooler) == {1e-5}


def test_clips_are_encoded_one_by_one_and_judged_together() -> None:
    made, video, output = told("vjepa2-two-clips")
    one, other = video.chunk(2, dim=2)
    with torch.inference_mode():
        apart = (made(one) + made(other)) / 2
        assert difference(apart, output) > 1e-2
        assert difference(made(torch.cat((other, one), 2)), output) < 1e-5


def test_frames_within_a_clip_have_an_order() -> None:
    made, video, output = told()
    with torch.inference_mode():
        assert difference(made(video.flip(2)), output) > 1e-2


@pytest.mark.parametrize("shape", [(1, 3, 6, 32, 32), (1, 3, 4, 48, 48), (1, 3, 4, 16, 64)])
def test_videos_of_another_size_are_refused_and_not_taken_for_its_own(shape: tuple[int, ...]) -> None:
    made, _, _ = told()
    with pytest.raises(ValueError, match=r"takes clips of \(4, 32, 32\)"):
        made(torch.zeros(shape))


def test_only_squares_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match="64x32"):
        network(classes=2, frames=4, size=(32, 64))


def test_logits_are_the_head_on_the_features() -> None:
    made, video, _ = told()
    with torch.inference_mode():
        features = made.features(video)
        assert features.shape == (2, 88)
        assert torch.equal(made.head(features), made(video))


def test_it_runs_in_bfloat16_and_without_memory() -> None:
    made, video, output = told()
    with torch.inference_mode():
        assert difference(made.to(torch.bfloat16)(video.to(torch.bfloat16)), output) < 0.1
        assert made.to("meta")(video.to("meta", torch.bfloat16)).shape == (2, 11)
