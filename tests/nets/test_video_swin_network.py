"""Video Swin against the authors' implementation and torchvision's, and what is easily got wrong in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor, nn
from torchvision.models.video import swin3d_b, swin3d_s, swin3d_t
from torchvision.models.video.swin_transformer import SwinTransformer3d

from moviola.nets.drop_path import DropPath
from moviola.nets.video_swin import Layout, VideoSwin, WindowAttention, names

TINY = {"width": 96, "depths": [2, 2, 6, 2], "heads": [3, 6, 12, 24]}
SMALL = TINY | {"depths": [2, 2, 18, 2]}
BASE: dict[str, Any] = {}
LARGE = {"width": 192, "heads": [6, 12, 24, 48]}
SSV2 = {"window": [16, 7, 7], "classes": 174}

REDUCED = {"width": 16, "depths": [2, 2], "heads": [2, 4], "window": [4, 3, 3], "classes": 5}

CPU = torch.device("cpu")


def filled(config: dict[str, Any], state: dict[str, Tensor]) -> VideoSwin:
    with torch.device("meta"):
        network = VideoSwin(**config).eval()
    network.load_state_dict(names(state), assign=True)
    return network


@pytest.mark.parametrize("name", ["whole", "odd", "short", "narrow", "t"])
def test_the_authors_answers(name: str) -> None:
    # whole: windows fit the grid in both stages. odd: nothing divides anything. short, narrow: the clip is
    # smaller than a window in time, in height. t: the published Swin-T at its own size.
    told = recording(f"video-swin-{name}")
    network = filled(told["config"], checkpoint(told["keys"]))
    with torch.no_grad():
        assert difference(network(clip(**told["input"])), told["output"]) < 1e-5


@pytest.mark.parametrize(
    ("checkpoint", "config"),
    [
        ("t", TINY),
        ("s", SMALL),
        ("b", BASE),
        ("b-ssv2", SSV2),
        ("l-mmaction2", LARGE),
    ],
)
def test_every_published_checkpoint_fits_entry_by_entry(checkpoint: str, config: dict[str, Any]) -> None:
    keys = json.loads((FOLDER / f"video-swin-{checkpoint}.keys.json").read_text())
    with torch.device("meta"):
        network = VideoSwin(**config)
        network.load_state_dict(names({name: torch.empty(keys[name]) for name in keys}), assign=True)


@pytest.mark.parametrize(("theirs", "config"), [(swin3d_t, TINY), (swin3d_s, SMALL), (swin3d_b, BASE)])
def test_torchvisions_checkpoints_fit_entry_by_entry(theirs: Any, config: dict[str, Any]) -> None:
    with torch.device("meta"):
        VideoSwin(**config).load_state_dict(names(theirs().state_dict()), assign=True)


@pytest.mark.parametrize("shape", [(2, 3, 16, 48, 64), (1, 3, 7, 45, 70)])
def test_torchvisions_network_gives_the_same_and_learns_the_same(shape: tuple[int, ...]) -> None:
    theirs = SwinTransformer3d(
        patch_size=[2, 4, 4],
        embed_dim=16,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=[4, 3, 3],
        num_classes=5,
    ).eval()
    state = checkpoint(
        {name: value.shape for name, value in theirs.state_dict().items() if not name.endswith("_index")}
    )
    theirs.load_state_dict(state, strict=False)
    ours = filled(REDUCED, state)

    videos = [clip("torchvision", shape).requires_grad_() for _ in range(2)]
    answers = [network(video) for network, video in zip((ours, theirs), videos, strict=True)]
    for answer in answers:
        answer.square().sum().backward()

    assert difference(answers[0].detach(), answers[1].tolist()) < 1e-5
    assert difference(videos[0].grad, videos[1].grad.tolist()) < 1e-4
    learnt = names({name: value.grad for name, value in theirs.named_parameters()})
    for name, value in ours.named_parameters():
        assert difference(value.grad, learnt[name].tolist()) < 1e-4, name


def test_entries_without_weights_are_left_out() -> None:
    index = torch.zeros(4, 4, dtype=torch.long)
    held = {
        "backbone.layers.0.blocks.0.attn.relative_position_index": index,
        "features.0.0.attn.relative_position_index": index,
        "layers.0.blocks.1.attn_mask": index,
        "data_preprocessor.mean": torch.zeros(3, 1, 1, 1),
    }
    assert not names(held)


def test_own_names_stay_as_they_are() -> None:
    state = VideoSwin(**REDUCED).state_dict()
    assert list(names(state)) == list(state)


def test_the_384_pixel_model_has_the_published_size() -> None:
    # 200.0 million in the paper; no weights were published.
    with torch.device("meta"):
        network = VideoSwin(**LARGE, window=[8, 12, 12]).eval()
        assert sum(parameter.numel() for parameter in network.parameters()) == 199_999_516
        assert network(torch.empty(1, 3, 32, 384, 384)).shape == (1, 400)


def test_the_classifier_sees_the_mean_of_the_features() -> None:
    network = VideoSwin(**REDUCED).eval()
    video = clip("head", (2, 3, 8, 24, 24))
    with torch.no_grad():
        features = network.features(video)
        assert features.shape == (2, 32)
        torch.testing.assert_close(network(video), network.head(features))


def test_clips_of_a_batch_do_not_see_each_other() -> None:
    network = VideoSwin(**REDUCED).eval()
    video = clip("batch", (3, 3, 9, 37, 50))
    with torch.no_grad():
        alone = torch.cat([network(one[None]) for one in video])
        torch.testing.assert_close(network(video), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 1, 4, 4), (1, 3, 1, 1, 1), (1, 3, 33, 20, 61)])
def test_any_clip_will_do(shape: tuple[int, ...]) -> None:
    with torch.no_grad():
        assert VideoSwin(**REDUCED).eval()(clip("any", shape)).isfinite().all()


def test_it_runs_in_bfloat16() -> None:
    told = recording("video-swin-odd")
    network = filled(told["config"], checkpoint(told["keys"])).to(torch.bfloat16)
    with torch.no_grad():
        assert difference(network(clip(**told["input"]).to(torch.bfloat16)), told["output"]) < 0.05


def test_it_can_be_trained_after_it_was_used() -> None:
    network = VideoSwin(**REDUCED)
    video = clip("used", (1, 3, 9, 30, 30))
    with torch.inference_mode():
        network(video)
    network(video).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_blocks_are_skipped_more_often_the_later_they_come() -> None:
    network = VideoSwin(**REDUCED | {"depths": [2, 3]}, drop_path=0.4)
    shares = [module.rate for module in network.modules() if isinstance(module, DropPath)]
    assert shares == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


class TestWindows:
    """On a grid of tokens, (time, height, width)."""

    GRID = (8, 4, 4)
    WINDOW = (4, 4, 4)

    def attention(self) -> WindowAttention:
        torch.manual_seed(0)
        attention = WindowAttention(8, 2, self.WINDOW).eval()
        for parameter in attention.parameters():
            nn.init.normal_(parameter)
        return attention

    @torch.no_grad()
    def reached(self, layout: Layout, changed: int) -> list[int]:
        """The times whose tokens change with those at one time."""
        attention = self.attention()
        tokens = clip("tokens", (1, *self.GRID, 8))
        other = tokens.clone()
        other[:, changed] += 1
        moved = (attention(tokens, layout) - attention(other, layout)).abs().amax((0, 2, 3, 4))
        return moved.nonzero().flatten().tolist()

    def layout(self, *, shifts: bool) -> Layout:
        return Layout(self.GRID, self.WINDOW, shifts, CPU)

    def test_plain_windows_keep_to_themselves(self) -> None:
        assert self.reached(self.layout(shifts=False), 3) == [0, 1, 2, 3]
        assert self.reached(self.layout(shifts=False), 4) == [4, 5, 6, 7]

    def test_shifted_windows_reach_across_their_border(self) -> None:
        assert self.reached(self.layout(shifts=True), 3) == [2, 3, 4, 5]

    def test_the_ends_of_a_clip_do_not_meet_though_they_are_rolled_together(self) -> None:
        assert self.reached(self.layout(shifts=True), 0) == [0, 1]
        assert self.reached(self.layout(shifts=True), 7) == [6, 7]

    @pytest.mark.parametrize("shifts", [False, True])
    @pytest.mark.parametrize("grid", [(8, 4, 4), (9, 5, 7), (1, 1, 13), (4, 4, 4)])
    def test_cutting_and_joining_gives_back_what_was_cut(self, grid: Any, shifts: bool) -> None:
        tokens = clip("cut", (2, *grid, 3))
        layout = Layout(grid, self.WINDOW, shifts, CPU)
        assert torch.equal(layout.joined(layout.cut(tokens)), tokens)

    @pytest.mark.parametrize("grid", [(9, 5, 7), (8, 9, 4), (5, 5, 5)])
    def test_regions_are_all_windows_once(self, grid: Any) -> None:
        layout = Layout(grid, self.WINDOW, True, CPU)
        seen = torch.zeros_like(layout.cut(torch.zeros(1, *grid, 1)))
        for place, _ in layout.regions:
            seen[place] += 1
        assert (seen == 1).all()

    def test_an_axis_no_longer_than_a_window_does_not_shift(self) -> None:
        layout = Layout((4, 3, 9), self.WINDOW, True, CPU)
        assert layout.window == (4, 3, 4)
        assert layout.shift == (0, 0, 2)

    def test_a_window_cut_short_takes_the_offsets_of_the_first_tokens_of_a_whole_one(self) -> None:
        whole = Layout((8, 8, 8), self.WINDOW, False, CPU).offsets
        assert torch.equal(Layout((2, 8, 8), self.WINDOW, False, CPU).offsets, whole[:32, :32])
        assert torch.equal(Layout((8, 3, 8), self.WINDOW, False, CPU).offsets, whole[:48, :48])

    def test_the_bias_is_one_row_of_the_table_for_each_offset(self) -> None:
        offsets = Layout(self.GRID, (2, 3, 4), False, CPU).offsets
        assert len(offsets.unique()) == 3 * 5 * 7
        assert (offsets.diagonal() == 3 * 5 * 7 // 2).all()
        first, last = offsets[0, -1], offsets[-1, 0]
        assert (first, last) == (0, 3 * 5 * 7 - 1)

    def test_tokens_that_fill_up_a_window_are_not_masked(self) -> None:
        # Zeros, after the norm: their keys and values are the layer's biases.
        grid = (3, 4, 4)
        attention = WindowAttention(8, 2, (2, 4, 4))
        tokens = clip("filled", (1, *grid, 8))
        zeros = torch.cat([tokens, torch.zeros(1, 1, 4, 4, 8)], 1)
        with torch.no_grad():
            short = attention(tokens, Layout(grid, (2, 4, 4), False, CPU))
            full = attention(zeros, Layout((4, 4, 4), (2, 4, 4), False, CPU))
        torch.testing.assert_close(short, full[:, :3])
