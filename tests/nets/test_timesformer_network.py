"""TimeSformer's network against the authors' implementation, and what is easily got wrong in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from recorded import FOLDER, checkpoint, clip, difference, recording
from torch import Tensor
from transformers import TimesformerConfig, TimesformerForVideoClassification

from moviola.nets.drop_path import DropPath
from moviola.recognition.timesformer import by_the_authors, names, network
from moviola.recognition.transformer import Classifier, theirs

RECORDINGS = ["timesformer-divided", "timesformer-odd", "timesformer-joint"]
LAYOUTS = {
    "timesformer-base-k600.hub": {"classes": 600, "frames": 8, "size": (224, 224)},
    "timesformer-hr-ssv2.hub": {"classes": 174, "frames": 16, "size": (448, 448)},
    "timesformer-l.pyth": {"classes": 400, "frames": 96, "size": (224, 224)},
}


def told(name: str = "timesformer-divided", **changes: Any) -> tuple[Classifier, Tensor, Any]:
    """Our network with the weights of a recording, its clip, and what the authors' implementation gave."""
    record = recording(name)
    made = network(**record["config"] | changes).eval()
    made.load_state_dict(names(checkpoint(record["keys"])))
    return made, clip(**record["input"]), record["output"]


@pytest.mark.parametrize("name", RECORDINGS)
def test_it_computes_what_the_authors_implementation_does(name: str) -> None:
    made, video, output = told(name)
    with torch.inference_mode():
        assert difference(made(video), output) < 1e-5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_published_checkpoint_fits_entry_by_entry(layout: str) -> None:
    keys = json.loads((FOLDER / f"{layout}.keys.json").read_text())
    with torch.device("meta"):
        made = network(**LAYOUTS[layout])  # type: ignore[arg-type]
        state = {name: torch.empty(shape) for name, shape in keys.items()}
    made.load_state_dict(names(state), strict=True, assign=True)


@pytest.mark.parametrize("name", RECORDINGS)
def test_attention_in_one_step_is_transformers_step_by_step(name: str) -> None:
    made, video, _ = told(name)
    fields = dict(recording(name)["config"])
    library = TimesformerForVideoClassification(
        TimesformerConfig(
            num_labels=fields.pop("classes"),
            num_frames=fields.pop("frames"),
            image_size=fields.pop("size")[0],
            **fields,
        )
    ).eval()
    library.load_state_dict(theirs(made.state_dict()))
    with torch.inference_mode():
        torch.testing.assert_close(made(video), library(video.transpose(1, 2)).logits)


@pytest.mark.parametrize("back", [by_the_authors, theirs])
def test_names_in_every_layout_lead_to_the_same_network(back: Any) -> None:
    made, video, _ = told()
    again = network(**recording("timesformer-divided")["config"]).eval()
    again.load_state_dict(names(back(made.state_dict())))
    with torch.inference_mode():
        assert torch.equal(again(video), made(video))


def test_the_authors_layout_is_written_as_it_is_read() -> None:
    state = checkpoint(recording("timesformer-divided")["keys"])
    written = by_the_authors(names(state))
    assert written.keys() == state.keys()
    assert all(torch.equal(written[name], state[name]) for name in state)


def test_what_time_attends_to_goes_through_a_layer_of_its_own() -> None:
    """`temporal_fc`, which no other attention has, is not lost between two of them."""
    made, video, output = told()
    with torch.no_grad():
        for layer in made.model.timesformer.encoder.layer:
            layer.temporal_dense.weight.mul_(2)
        assert difference(made(video), output) > 1e-2


def test_frames_have_an_order() -> None:
    made, video, output = told()
    with torch.inference_mode():
        assert difference(made(video.flip(2)), output) > 1e-2


def test_blue_first_is_red_first_with_colours_swapped() -> None:
    made, video, _ = told()
    swapped, _, _ = told(bgr=True)
    with torch.inference_mode():
        torch.testing.assert_close(swapped(video), made(video[:, [2, 1, 0]]))
        assert not torch.allclose(swapped(video), made(video), atol=1e-2)


def test_logits_are_the_head_on_the_features() -> None:
    made, video, _ = told()
    with torch.inference_mode():
        features = made.features(video)
        assert features.shape == (2, 48)
        assert torch.equal(made.head(features), made(video))


@pytest.mark.parametrize("shape", [(1, 3, 8, 32, 32), (1, 3, 4, 48, 48), (1, 3, 4, 16, 64)])
def test_videos_of_another_size_are_refused_and_not_taken_for_its_own(shape: tuple[int, ...]) -> None:
    made, _, _ = told()
    with pytest.raises(ValueError, match=r"takes videos of \(4, 32, 32\)"):
        made(torch.zeros(shape))


def test_only_squares_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match="64x32"):
        network(classes=2, frames=4, size=(32, 64))


def test_it_runs_in_bfloat16_and_without_memory() -> None:
    made, video, output = told()
    with torch.inference_mode():
        assert difference(made.to(torch.bfloat16)(video.to(torch.bfloat16)), output) < 0.05
        assert made.to("meta")(video.to("meta", torch.bfloat16)).shape == (2, 11)


def test_training_leaves_branches_out_and_testing_does_not() -> None:
    made, video, output = told(drop_path=0.5)
    assert [part.rate for part in made.modules() if isinstance(part, DropPath)] == [0, 0.25, 0.5]
    torch.manual_seed(0)
    made.train()
    with torch.no_grad():
        assert not torch.equal(made(video), made(video))
    with torch.inference_mode():
        assert difference(made.eval()(video), output) < 1e-5
