"""VACE: references, masks, control and going on reach the pipeline as its authors mean them."""

import numpy as np
import pytest
from PIL import Image

from moviola.model import Preview
from moviola.run import run
from moviola.tasks import Generate, request

MODEL = "wan-vace-1.3b"
TEXT = {"prompt": "a lake", "height": 32, "width": 64, "num_inference_steps": 2, "max_sequence_length": 16}
PLAIN = TEXT | {"guidance_scale": 5, "num_frames": 5}
CAT = Image.fromarray(np.random.default_rng(1).integers(0, 255, (32, 64, 3), np.uint8))
VIDEO = np.random.default_rng(2).integers(0, 255, (5, 32, 64, 3), np.uint8)
UNDER = (slice(None), slice(8, 24), slice(16, 48))
"""What the mask 16,8,32,16 selects of a video."""
FRAMES = [Image.fromarray(picture) for picture in VIDEO]


def boxes(x, y, width, height):
    mask = np.zeros((32, 64), np.uint8)
    mask[y : y + height, x : x + width] = 255
    return [Image.fromarray(mask)] * len(FRAMES)


@pytest.mark.parametrize("model", [MODEL, "wan-vace-14b"])
def test_a_text_alone_equals_a_plain_call(model, pictures, by_hand):
    ours = pictures("generate", model, prompt="a lake")
    assert np.array_equal(ours, by_hand(model, "WanVACEPipeline", **PLAIN))
    assert not np.array_equal(ours, pictures("generate", model, prompt="a lake", seed=6))


def test_a_reference_and_its_scale_equal_a_plain_call(pictures, by_hand):
    ours = pictures(
        "generate",
        MODEL,
        prompt="a lake",
        reference=CAT,
        options={"conditioning_scale": 0.5, "flow_shift": 3},
    )
    asked = {"reference_images": [CAT], "conditioning_scale": 0.5}
    assert np.array_equal(ours, by_hand(MODEL, "WanVACEPipeline", **PLAIN, **asked))
    assert not np.array_equal(ours, pictures("generate", MODEL, prompt="a lake", reference=CAT))


def test_a_video_without_a_mask_is_control(pictures, by_hand):
    ours = pictures("edit", MODEL, video=VIDEO, prompt="a lake", reference=CAT)
    asked = {"video": FRAMES, "reference_images": [CAT]}
    assert np.array_equal(ours, by_hand(MODEL, "WanVACEPipeline", **PLAIN, **asked))


def test_what_lies_under_the_mask_is_grey_unless_it_is_to_be_shown(pictures, by_hand):
    asked = {"video": VIDEO, "mask": "16,8,32,16", "prompt": "a lake"}
    masks = boxes(16, 8, 32, 16)
    covered = VIDEO.copy()
    covered[:, 8:24, 16:48] = 128
    covered = [Image.fromarray(picture) for picture in covered]
    made_anew = pictures("edit", MODEL, **asked)
    plain = by_hand(MODEL, "WanVACEPipeline", **PLAIN, video=covered, mask=masks)
    assert np.array_equal(made_anew[UNDER], plain[UNDER])
    shown = pictures("edit", MODEL, **asked, options={"show_masked": True})
    plain = by_hand(MODEL, "WanVACEPipeline", **PLAIN, video=FRAMES, mask=masks)
    assert np.array_equal(shown[UNDER], plain[UNDER])
    assert not np.array_equal(made_anew, shown)


def test_far_from_the_mask_nothing_changes(pictures):
    made = pictures("edit", MODEL, video=VIDEO, mask="16,8,32,16", prompt="a lake")
    assert np.array_equal(made[:, :, :12], VIDEO[:, :, :12])
    assert np.array_equal(made[:, :, 52:], VIDEO[:, :, 52:])
    assert not np.array_equal(made[UNDER], VIDEO[UNDER])


def test_a_long_video_is_told_the_known_frames_and_keeps_its_reference(done, monkeypatch):
    import diffusers

    asked = []
    plain = diffusers.WanVACEPipeline.__call__

    def spied(self, *, callback_on_step_end, video=None, mask=None, reference_images=None, **rest):
        asked.append((video, mask, reference_images))
        rest |= {"callback_on_step_end": callback_on_step_end}
        return plain(self, video=video, mask=mask, reference_images=reference_images, **rest)

    monkeypatch.setattr(diffusers.WanVACEPipeline, "__call__", spied)
    result = done("generate", MODEL, prompt="a lake", reference=CAT, frames=17)
    assert result.frames == 17
    assert [chunk["start"] for chunk in result.recipe["chunks"]] == [0, 4]
    (first, _, cat), (video, mask, cat_again) = asked
    assert first is None
    assert cat == cat_again == [CAT]
    told = [np.unique(np.asarray(picture)).tolist() for picture in mask]
    assert told == [[0]] * 9 + [[255]] * 4
    assert all(np.asarray(picture).std() > 0 for picture in video[:9])
    assert all((np.asarray(picture) == 128).all() for picture in video[9:])


def test_a_preview_shows_the_video_without_its_reference(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("moviola.diffusion.watch.LOOK_SECONDS", 0)
    fields = {"model": MODEL, "weights": checkpoint(MODEL), "prompt": "a lake", "reference": CAT}
    fields |= {"output": tmp_path / "out.mp4", "preview": tmp_path / "look.webp"}
    seen = [event for event in run(request(Generate, fields)) if isinstance(event, Preview)]
    assert seen
    assert all(event.frames.data.shape == (5, 32, 64, 3) for event in seen)
