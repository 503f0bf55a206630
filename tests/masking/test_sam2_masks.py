"""SAM 2.1: its masks are those of transformers' own loop over a whole video; what it holds does not grow."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from scenes import all_of, clip_of, filmed, followed

from moviola.clip import Clip
from moviola.errors import InputError
from moviola.frames import Frames
from moviola.masking.memory_bank import MemoryTracker
from moviola.model import Setup
from moviola.models import sam2
from moviola.plan.plan import Plan
from moviola.stage import Motion, Sprite
from moviola.tasks.prompts import Box, Point

FRAMES = 28
PROMPTED = 9
PLAN = Plan(device="cpu", dtype="float32")
BALL = Sprite("disc", 20, (0.9, 0.3, 0.2), Motion(position=(-40, 0), velocity=(60, 10)))
SPOTS = [Box(30, 40, 45, 50), Point(90.5, 60.25)]

SIZES = {
    "tiny": {},
    "small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "base-plus": {
        "hidden_size": 112,
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 3, 16, 3],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "large": {
        "hidden_size": 144,
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 6, 36, 4],
        "global_attention_blocks": [23, 33, 43],
        "window_size_per_stage": [8, 4, 16, 8],
    },
}
"""The published configurations of the encoders."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sam2")
    sam2.tiny(sam2.CARDS[0], folder)
    return folder


@pytest.fixture(scope="module")
def follower(checkpoint):
    return sam2.load(sam2.CARDS[0], Setup(folders=(checkpoint,), plan=PLAN))


@pytest.fixture(scope="module")
def clip() -> Clip:
    return clip_of(filmed([BALL], frames=FRAMES))


def by_the_library(folder: Path, frames: np.ndarray, start: int, *, reverse: bool) -> dict[int, np.ndarray]:
    """Masks by index: transformers' own session of a whole video, and its own iterator over it."""
    network = transformers.Sam2VideoModel.from_pretrained(str(folder)).eval()
    processor = transformers.Sam2VideoProcessor.from_pretrained(str(folder))
    session = processor.init_video_session(video=torch.from_numpy(frames).permute(0, 3, 1, 2))
    boxes = [[[30.0, 40.0, 75.0, 90.0]]]
    processor.add_inputs_to_inference_session(session, frame_idx=start, obj_ids=1, input_boxes=boxes)
    network(inference_session=session, frame_idx=start)
    processor.add_inputs_to_inference_session(
        session, frame_idx=start, obj_ids=2, input_points=[[[[90.5, 60.25]]]], input_labels=[[[1]]]
    )
    network(inference_session=session, frame_idx=start)
    found = {}
    for output in network.propagate_in_video_iterator(session, start_frame_idx=start, reverse=reverse):
        (masks,) = processor.post_process_masks(
            [output.pred_masks], original_sizes=[frames.shape[1:3]], binarize=True
        )
        found[output.frame_idx] = masks.flatten(0, 1).any(0).numpy()
    return found


def test_masks_equal_those_of_the_library_both_ways_in_time(checkpoint, follower, clip):
    """More frames than the memory reaches, so what is forgotten would be missed."""
    frames = Frames.concatenate(clip.chunks()).data
    spots = [
        type(spot)(
            *(getattr(spot, name) for name in ("x", "y", "w", "h") if hasattr(spot, name)), PROMPTED / 25
        )
        for spot in SPOTS
    ]
    mask = followed(follower, clip, spots)
    forward = by_the_library(checkpoint, frames, PROMPTED, reverse=False)
    backward = by_the_library(checkpoint, frames, PROMPTED, reverse=True)
    theirs = np.stack([(forward if index >= PROMPTED else backward)[index] for index in range(FRAMES)])
    assert np.array_equal(mask.data, theirs)
    assert 0 < theirs.mean() < 1
    assert (theirs[1:] != theirs[:-1]).any((1, 2)).all()


def test_short_clips_too(checkpoint, follower, clip):
    """The network is told how many frames there are: with fewer than 16 its pointers are spaced otherwise."""
    short = Clip(Frames.concatenate(clip.chunks())[:6])
    theirs = by_the_library(checkpoint, Frames.concatenate(short.chunks()).data, 0, reverse=False)
    assert np.array_equal(
        followed(follower, short, SPOTS).data, np.stack([theirs[index] for index in range(6)])
    )


def test_what_is_held_does_not_grow_with_the_clip(checkpoint, clip):
    network = transformers.Sam2VideoModel.from_pretrained(str(checkpoint)).eval()
    processor = transformers.Sam2VideoProcessor.from_pretrained(str(checkpoint))
    tracker = MemoryTracker(network, processor, "cpu")
    pictures = Frames.concatenate(clip.chunks()).data
    tracker.begin(pictures[0], SPOTS, 100)
    held = []
    for index in range(1, 60):
        tracker.next(pictures[index % FRAMES], cut=False)
        held.append(sum(tensor.nbytes for tensor in tensors(vars(tracker._session))))
    assert held[-1] == held[20]
    assert held[20] < 20 * pictures[0].nbytes * 4


def tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors(each)


@pytest.mark.parametrize("card", sam2.CARDS, ids=lambda card: card.id)
def test_the_card_counts_the_parameters_of_the_published_configuration(card):
    hiera = {"model_type": "sam2_hiera_det_model"} | SIZES[card.id.removeprefix("sam2.1-")]
    widths = hiera.get("embed_dim_per_stage", [96, 192, 384, 768])
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": hiera,
        "backbone_channel_list": widths[::-1],
    }
    with torch.device("meta"):
        network = transformers.Sam2VideoModel(transformers.Sam2VideoConfig(vision_config=vision))
    assert sum(parameter.numel() for parameter in network.parameters()) == card.parts[0].parameters
    published = {"tiny": 38.9, "small": 46, "base-plus": 80.8, "large": 224.4}
    millions = published[card.id.removeprefix("sam2.1-")]
    assert card.parts[0].parameters / 1e6 == pytest.approx(millions, rel=0.002)


def test_bfloat16_runs(checkpoint, clip):
    plan = Plan(device="cpu", dtype="bfloat16")
    follower = sam2.load(sam2.CARDS[0], Setup(folders=(checkpoint,), plan=plan))
    short = Clip(Frames.concatenate(clip.chunks())[:3])
    assert followed(follower, short, SPOTS, all_of(short)).data.shape == (3, 128, 192)


def test_a_folder_without_such_a_checkpoint_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot load") as error:
        sam2.load(sam2.CARDS[0], Setup(folders=(tmp_path,), plan=PLAN))
    assert "\n" not in str(error.value)
