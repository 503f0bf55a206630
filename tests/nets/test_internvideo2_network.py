"""InternVideo2 against the authors' implementation, and what is easily got wrong in it."""

from __future__ import annotations

import json

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, noise, recording

from moviola.nets.internvideo2 import InternVideo2, LayerScale, fitted, resized

SIZES = {
    "s14": {"width": 384, "depth": 12, "heads": 6, "mlp": 1536},
    "b14": {},
    "l14": {"width": 1024, "depth": 24, "heads": 16, "mlp": 4096},
    "1b": {"width": 1408, "depth": 40, "heads": 16, "mlp": 6144},
}
SMALL = {"width": 32, "depth": 2, "heads": 4, "mlp": 48, "frames": 3, "size": (28, 28), "embedding": 24}


def published(size: str) -> dict[str, list[int]]:
    return json.loads((FOLDER / f"internvideo2-{size}.keys.json").read_text())


def small(**changes: object) -> InternVideo2:
    """A network whose every part matters to its output."""
    network = InternVideo2(classes=5, **SMALL | changes).eval()
    network.load_state_dict(checkpoint({name: entry.shape for name, entry in network.state_dict().items()}))
    return network


@pytest.mark.parametrize("name", ["fused", "plain", "odd", "s14"])
def test_it_computes_what_the_authors_implementation_does(name: str) -> None:
    told = recording(f"internvideo2-{name}")
    network = InternVideo2(**told["config"]).eval()
    network.load_state_dict(checkpoint(told["keys"]))
    with torch.inference_mode():
        logits = network(clip(**told["input"]))
    assert difference(logits, told["output"]) < 1e-5


def test_gelu_has_by_default_the_form_the_weights_were_trained_with() -> None:
    told = recording("internvideo2-fused")
    assert told["config"].pop("gelu") == "tanh"
    network = InternVideo2(**told["config"]).eval()
    network.load_state_dict(checkpoint(told["keys"]))
    with torch.inference_mode():
        logits = network(clip(**told["input"]))
    assert difference(logits, told["output"]) < 1e-5

    told["config"]["gelu"] = "none"
    exact = InternVideo2(**told["config"]).eval()
    exact.load_state_dict(network.state_dict())
    with torch.inference_mode():
        assert 1e-5 < difference(exact(clip(**told["input"])), told["output"]) < 1e-3


@pytest.mark.parametrize("size", SIZES)
def test_a_published_checkpoint_fits_entry_by_entry(size: str) -> None:
    with torch.device("meta"):
        network = InternVideo2(classes=400, **SIZES[size])
        state = {name: torch.empty(shape) for name, shape in published(size).items()}
    network.load_state_dict(state, strict=True, assign=True)


@pytest.mark.parametrize(
    ("changes", "entries"),
    [
        ({"classes": 710}, {"head.weight": [710, 768], "head.bias": [710]}),
        ({"classes": 174}, {"head.weight": [174, 768], "head.bias": [174]}),
        ({"classes": 400, "frames": 16}, {"pos_embed": [1, 4097, 1408]}),
    ],
)
def test_variants_differ_in_the_classifier_and_the_position_table_alone(
    changes: dict[str, int], entries: dict[str, list[int]]
) -> None:
    with torch.device("meta"):
        network = InternVideo2(**SIZES["1b"] | changes)
        state = {name: torch.empty(shape) for name, shape in (published("1b") | entries).items()}
    network.load_state_dict(state, strict=True, assign=True)


def test_the_largest_has_5942_million_parameters() -> None:
    with torch.device("meta"):
        network = InternVideo2(classes=400, width=3200, depth=48, heads=25, mlp=12800)
    assert sum(weight.numel() for weight in network.parameters()) == 5_942_044_304


def test_the_classifier_is_the_head_of_the_features() -> None:
    network = small()
    video = clip("features", (2, 3, 3, 28, 28))
    with torch.inference_mode():
        features = network.features(video)
        assert features.shape == (2, 24)
        torch.testing.assert_close(network(video), network.head(features))


def test_tokens_are_the_class_token_and_the_patches_of_each_frame() -> None:
    network = small(depth=0)
    video = clip("tokens", (1, 3, 3, 28, 28))
    changed = video.clone()
    changed[:, :, 1] += 1
    with torch.inference_mode():
        before, after = network.tokens(video), network.tokens(changed)
    assert before.shape == (1, 1 + 3 * 4, 32)
    moved = (before != after).any(-1)[0]
    assert moved.tolist() == [False] * 5 + [True] * 4 + [False] * 4


def test_queries_and_keys_are_normalised_over_all_heads_together() -> None:
    network = small(depth=1)
    video = clip("norm", (1, 3, 3, 28, 28))
    with torch.inference_mode():
        before = network(video)
        qkv = network.blocks[0].attn.qkv.weight
        qkv[:64] *= 3.0  # all queries and keys
        torch.testing.assert_close(network(video), before)
        qkv[:8] *= 3.0  # those of one head, which a norm of each head's own would not notice
        assert difference(network(video), before.tolist()) > 1e-3


def test_norms_are_computed_in_float32() -> None:
    network = small().to(torch.float16)
    tokens = torch.full((1, 4, 32), 300.0, dtype=torch.float16)  # whose squares float16 cannot hold
    with torch.inference_mode():
        torch.testing.assert_close(
            network.blocks[0].norm1(tokens), network.blocks[0].norm1.weight.expand(1, 4, 32)
        )


def test_layer_scale_rounds_once_in_bfloat16() -> None:
    scale = LayerScale(64)
    scale.gamma.data = torch.from_numpy(noise("gamma", (64,)))
    scale.to(torch.bfloat16)
    x = torch.from_numpy(noise("x", (7, 64))).bfloat16()
    assert torch.equal(scale(x), (x.float() * scale.gamma.float()).bfloat16())


def test_bfloat16_stays_near_float32() -> None:
    network = small()
    video = clip("bfloat16", (2, 3, 3, 28, 28))
    with torch.inference_mode():
        exact = network(video)
        rounded = network.to(torch.bfloat16)(video.bfloat16())
    assert rounded.dtype == torch.bfloat16
    assert difference(rounded, exact.tolist()) < 0.03


def test_drop_path_grows_with_depth() -> None:
    rates = [
        block.drop_path.rate
        for block in InternVideo2(classes=5, **SMALL | {"depth": 4, "drop_path": 0.3}).blocks
    ]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "told",
    recording("internvideo2-positions")["resized"],
    ids=lambda told: f"{told['frames']}x{told['side']}",
)
def test_a_position_table_is_resized_as_the_authors_do(told: dict) -> None:
    shape = recording("internvideo2-positions")["shape"]
    table = torch.from_numpy(noise("internvideo2-positions", shape))
    grid = told["frames"], told["side"], told["side"]
    assert difference(resized(table, (8, 2, 2), grid)[0], told["table"]) < 1e-6
    assert torch.equal(fitted(table, grid), resized(table, (8, 2, 2), grid))


def test_a_position_table_that_fits_is_left_alone() -> None:
    table = torch.randn(1, 1 + 2 * 2 * 2, 6)  # by number also 8 frames of a single patch
    assert fitted(table, (2, 2, 2)) is table


def test_a_table_of_16_frames_can_be_read_for_8() -> None:
    table = torch.randn(1, 4097, 2)  # the authors' own loader takes it for 8 frames of 22.6x22.6
    assert torch.equal(fitted(table, (8, 16, 16)), resized(table, (16, 16, 16), (8, 16, 16)))
    assert fitted(table, (8, 16, 16)).shape == (1, 2049, 2)


def test_a_table_of_no_known_grid_is_left_as_it_is() -> None:
    table = torch.randn(1, 1 + 13, 2)
    assert fitted(table, (8, 2, 2)) is table


@pytest.mark.parametrize("shape", [(2, 28, 28), (3, 42, 28), (7, 56, 70)])
def test_a_clip_of_another_size_sees_the_table_resized(shape: tuple[int, int, int]) -> None:
    network = small()
    frames, height, width = shape
    other = small(frames=frames, size=(height, width))
    state = network.state_dict()
    grid = (3, 2, 2)
    state["pos_embed"] = resized(state["pos_embed"], grid, (frames, height // 14, width // 14))
    other.load_state_dict(state)
    video = clip("other", (1, 3, *shape))
    with torch.inference_mode():
        torch.testing.assert_close(network(video), other(video))


def test_a_constant_table_stays_constant_in_any_grid() -> None:
    table = torch.full((1, 1 + 12, 4), 0.25)
    torch.testing.assert_close(resized(table, (3, 2, 2), (5, 3, 7)), torch.full((1, 1 + 105, 4), 0.25))
