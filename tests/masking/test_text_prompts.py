"""Words become boxes: by what a detector sees, on the first frame that shows it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from scenes import all_of, box_around, clip_of, filmed, fit, followed, truth_of

from moviola.clip import Clip
from moviola.errors import RequestError
from moviola.masking.text import Found, boxes, located
from moviola.masking.track import by_flow
from moviola.media.span import span_of
from moviola.model import Setup
from moviola.models import grounding_dino
from moviola.plan.plan import Plan
from moviola.stage import Motion, Sprite
from moviola.tasks.prompts import Box, Text

PICTURE = np.zeros((40, 60, 3), np.uint8)


class Saying:
    """A detector that says what it is told to."""

    def __init__(self, *found: Found) -> None:
        self.found = found

    def detect(self, picture, words):
        return self.found


class RedSeer:
    """Sees what is red. looked: at how many pictures."""

    looked = 0

    def detect(self, picture, words):
        self.looked += 1
        red = (picture[..., 0] > 150) & (picture[..., 2] < 90)
        if not red.any():
            return [Found(0, 0, 5, 5, 0.1)]
        box = box_around(red)
        return [Found(box.x, box.y, box.x + box.w, box.y + box.h, 0.9)]


def test_the_likeliest_come_first_and_the_unlikely_not_at_all():
    seen = [Found(0, 0, 9, 9, 0.2), Found(20, 20, 30, 30, 0.5), Found(40, 5, 50, 15, 0.8)]
    assert located(Saying(*seen), PICTURE, "dog") == [seen[2], seen[1]]
    assert located(Saying(*seen), PICTURE, "dog", least=0.1) == [seen[2], seen[1], seen[0]]


def test_boxes_are_cut_to_the_picture_and_one_thing_is_found_once():
    seen = [
        Found(-5, -5, 20, 20, 0.9),
        Found(0, 0, 20, 19, 0.6),
        Found(55, 35, 70, 50, 0.5),
        Found(61, 1, 66, 9, 0.7),
    ]
    assert located(Saying(*seen), PICTURE, "dog") == [Found(0, 0, 20, 20, 0.9), Found(55, 35, 60, 40, 0.5)]


def late_ball() -> Clip:
    """A red ball that comes into a green-grey picture after a second."""
    pixels = np.full((75, 60, 80, 3), (90, 120, 100), np.uint8)
    y, x = np.mgrid[:60, :80]
    for index in range(25, 75):
        pixels[index][np.hypot(x - index, y - 30) < 9] = (220, 40, 30)
    return Clip(pixels, rate=25)


def test_without_a_time_it_is_looked_for_until_it_is_seen():
    clip, seer = late_ball(), RedSeer()
    (box,) = boxes(seer, Text("the ball"), clip, all_of(clip))
    assert box.seconds == pytest.approx(31 / 25)
    assert seer.looked == 4
    assert followed(by_flow(), clip, [box]).data[60].any()


def test_with_a_time_it_is_looked_for_there_alone():
    clip = late_ball()
    (box,) = boxes(RedSeer(), Text("the ball", 2.0), clip, all_of(clip))
    assert box == Box(39, 19, 23, 23, 2.0)
    with pytest.raises(RequestError, match=r"'the ball' was not found at 0.5s; .*'the ball@2s'"):
        boxes(RedSeer(), Text("the ball", 0.5), clip, all_of(clip))


def test_what_is_nowhere_and_times_outside_are_refused():
    clip, seer = late_ball(), RedSeer()
    early = span_of(clip.timeline(), None, 0.8, "clip")
    with pytest.raises(RequestError, match="'the ball' was not found in any frame looked at"):
        boxes(seer, Text("the ball"), clip, early)
    assert seer.looked == 8
    with pytest.raises(RequestError, match=r"text 'the ball': 2s is outside of the range"):
        boxes(seer, Text("the ball", 2.0), clip, early)


def test_words_are_followed():
    ball = Sprite("disc", 14, (0.95, 0.05, 0.0), Motion(position=(-50, 0), velocity=(60, 10)))
    stage = filmed([ball], frames=12)
    clip, truth = clip_of(stage), truth_of(stage)
    prompts = boxes(RedSeer(), Text("the red ball"), clip, all_of(clip))
    assert fit(followed(by_flow(), clip, prompts).data, truth).mean() > 0.85


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("grounding-dino")
    grounding_dino.tiny(grounding_dino.CARDS[0], folder)
    return folder


def test_boxes_and_scores_equal_those_of_the_library(checkpoint):
    picture = filmed([Sprite("star", 30, (0.9, 0.2, 0.1), Motion())], frames=1).frame_at(0)
    setup = Setup(folders=(checkpoint,), plan=Plan(device="cpu", dtype="float32"))
    ours = grounding_dino.load(grounding_dino.CARDS[0], setup).detect(picture, "The red star")
    processor = transformers.GroundingDinoProcessor.from_pretrained(str(checkpoint))
    network = transformers.GroundingDinoForObjectDetection.from_pretrained(str(checkpoint)).eval()
    inputs = processor(
        images=torch.from_numpy(picture).permute(2, 0, 1), text="the red star.", return_tensors="pt"
    )
    with torch.inference_mode():
        output = network(**inputs)
    (theirs,) = processor.post_process_grounded_object_detection(
        output, inputs["input_ids"], threshold=0.0, target_sizes=[picture.shape[:2]]
    )
    scores = np.array([each.score for each in ours])
    corners = np.array([(each.left, each.top, each.right, each.bottom) for each in ours])
    assert np.allclose(scores, theirs["scores"].numpy(), rtol=1e-5)
    assert np.allclose(corners, theirs["boxes"].numpy(), rtol=1e-5, atol=1e-3)
    assert np.ptp(scores) > 0.001, "not all boxes are alike"
    again = grounding_dino.load(grounding_dino.CARDS[0], setup).detect(picture, "a blue square")
    assert not np.allclose(scores, [each.score for each in again]), "the words count"


@pytest.mark.parametrize(
    ("card", "backbone"),
    list(
        zip(
            grounding_dino.CARDS,
            [
                {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24]},
                {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12},
            ],
            strict=True,
        )
    ),
    ids=["tiny", "base"],
)
def test_the_card_counts_the_parameters_of_the_published_configuration(card, backbone):
    swin = transformers.SwinConfig(out_indices=[2, 3, 4], **backbone)
    with torch.device("meta"):
        network = transformers.GroundingDinoForObjectDetection(
            transformers.GroundingDinoConfig(backbone_config=swin)
        )
    assert sum(parameter.numel() for parameter in network.parameters()) == card.parts[0].parameters
