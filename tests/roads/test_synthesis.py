"""From a request to a generative model to files: what is settled, refused, told, kept and repeated."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moviola import registry, run
from moviola.clip import Clip
from moviola.errors import InputError, ModelError, OutputError, RequestError
from moviola.model import Committed, Note, Partial, Preview, Progress, Result
from moviola.selftest import tiny_checkpoint
from moviola.tasks import Again, Edit, Generate, request

MODEL = "cogvideox-5b"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_checkpoint(*registry.find(MODEL), folder)
    return folder


@pytest.fixture
def asked(tiny, tmp_path):
    def ask(kind=Generate, **fields):
        given = {"model": MODEL, "weights": tiny, "dtype": "float32", "output": tmp_path / "out.mp4"}
        if kind is Generate:
            given["prompt"] = "a lake"
        return request(kind, given | fields)

    return ask


def finished(asked):
    *_, last = run.run(asked)
    assert isinstance(last, Result)
    return last.value


def hashes(path):
    return [frame.tobytes() for chunk in Clip(path).chunks() for frame in chunk.data]


def refused(asked, error=RequestError):
    with pytest.raises(error) as raised:
        list(run.run(asked))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_same_seed_same_file_other_seed_other_file(asked, tmp_path):
    first, second, other = (tmp_path / f"{name}.mp4" for name in "abc")
    for output, seed in ((first, 1), (second, 1), (other, 2)):
        finished(asked(output=output, seed=seed))
    assert hashes(first) == hashes(second)
    assert hashes(first) != hashes(other)


def test_an_earlier_call_leaves_nothing_behind(asked, tmp_path):
    alone, after = tmp_path / "alone.mp4", tmp_path / "after.mp4"
    finished(asked(output=alone, seed=1))
    finished(asked(output=tmp_path / "between.mp4", seed=9, prompt="fog", guidance=2, steps=3))
    finished(asked(output=after, seed=1))
    assert hashes(alone) == hashes(after)


def test_a_seed_that_was_not_asked_for_is_told_and_recorded(asked):
    result = finished(asked())
    assert f"seed: {result.recipe['request']['seed']}" in result.notes


def test_the_recipe_in_the_file_is_the_settled_request_with_its_plan(asked):
    result = finished(asked(seed=3, seconds=1))
    recipe = Clip(result.output).info.recipe
    assert recipe == json.loads(json.dumps(result.recipe))
    assert recipe["request"]["frames"] == 8
    assert recipe["request"]["size"] == "32x32"
    assert recipe["request"]["steps"] == 2
    assert recipe["plan"]["dtype"] == "float32"
    assert result.frames == 8


def test_several_takes_are_several_files_with_seeds_of_their_own(asked, tmp_path):
    result = finished(asked(count=2, seed=4))
    assert [take.output.name for take in (result, *result.takes)] == ["out-1.mp4", "out-2.mp4"]
    assert [take.recipe["request"]["seed"] for take in (result, *result.takes)] == [4, 5]
    assert hashes(tmp_path / "out-1.mp4") != hashes(tmp_path / "out-2.mp4")


def test_progress_counts_steps_of_all_chunks(asked):
    told = [event for event in run.run(asked(frames=30, seed=0)) if isinstance(event, Progress)]
    assert [event.done for event in told] == [1, 2, 3, 4, 5, 6]
    assert {event.total for event in told} == {6}


def test_an_interrupted_long_video_goes_on_and_equals_an_unbroken_one(asked, tmp_path):
    unbroken, broken = tmp_path / "unbroken.mp4", tmp_path / "broken.mp4"
    finished(asked(frames=40, seed=6, output=unbroken))
    stops = 0
    with closing(run.run(asked(frames=40, seed=6, output=broken))) as events:
        for event in events:
            stops += isinstance(event, Progress)
            if stops == 5:
                break
    assert not broken.exists()
    result = finished(asked(frames=40, seed=6, output=broken))
    assert result.resumed_windows == 2
    assert hashes(broken) == hashes(unbroken)


def test_an_interrupted_video_without_a_seed_keeps_the_one_it_began_with(asked):
    began = asked(frames=40)
    seeds = []
    with closing(run.run(began)) as events:
        steps = 0
        for event in events:
            steps += isinstance(event, Progress)
            if isinstance(event, Note) and event.text.startswith("seed: "):
                seeds.append(int(event.text[6:]))
            if steps == 4:
                break
    result = finished(began)
    assert result.resumed_windows
    assert result.recipe["request"]["seed"] == seeds[0]


def test_closing_stops_within_one_step(asked):
    with closing(run.run(asked(frames=9, steps=50, seed=0))) as events:
        for event in events:
            if isinstance(event, Progress):
                break
    assert not list(asked().output.parent.glob("*.mp4"))


def test_however_short_the_work_there_is_a_preview(asked, tmp_path):
    look = tmp_path / "look.webp"
    finished(asked(seed=0, preview=look))
    assert look.exists()


def test_previews_are_small_pictures_and_are_written_where_asked(asked, tmp_path, monkeypatch):
    monkeypatch.setattr("moviola.diffusion.watch.LOOK_SECONDS", 0.0)
    look = tmp_path / "look.webp"
    events = list(run.run(asked(steps=4, seed=0, preview=look)))
    previews = [event.frames for event in events if isinstance(event, Preview)]
    assert len(previews) == 3
    assert previews[0].data.shape[1:] == (32, 32, 3)
    assert len(Clip(look).timeline()) == len(previews[-1])


def test_nothing_but_what_a_front_end_understands_comes_out(asked):
    events = list(run.run(asked(seed=0)))
    assert not any(isinstance(event, Partial | Committed) for event in events)
    assert isinstance(events[-1], Result)


def test_an_edit_keeps_times_sound_and_length(asked, tmp_path):
    from moviola.film import film
    from moviola.stage import Scene, Shot

    clip = film(Scene((Shot(0.8), Shot(0.4)), size=(32, 32)), tmp_path / "clip.mp4")
    result = finished(asked(Edit, video=clip, prompt="snow", seed=1))
    before, after = Clip(clip), Clip(result.output)
    assert np.allclose(before.timeline().pts_seconds, after.timeline().pts_seconds)
    assert after.info.audio


def test_a_part_alone_is_edited_with_its_sound(asked, tmp_path):
    from moviola.film import film
    from moviola.stage import Scene, Shot

    clip = film(Scene((Shot(0.8), Shot(0.4)), size=(32, 32)), tmp_path / "clip.mp4")
    result = finished(asked(Edit, video=clip, prompt="snow", seed=1, range=(0.6, 1.0)))
    after = Clip(result.output)
    assert np.allclose(after.timeline().pts_seconds, np.arange(10) / 25)
    assert after.info.audio[0].duration_seconds == pytest.approx(0.4, abs=0.03)


def test_a_preset_adds_its_words_and_nothing_without_it(asked, tmp_path):
    words = "hand-drawn 2D animation, clean lines, flat colours, smooth motion"
    negative = "photograph, realistic, film grain, noise"
    preset = finished(asked(seed=0, preset="animation", output=tmp_path / "preset.mp4"))
    said = asked(seed=0, prompt=f"a lake, {words}", negative_prompt=negative, output=tmp_path / "said.mp4")
    assert hashes(preset.output) == hashes(finished(said).output)
    assert f"prompt: a lake, {words}" in preset.notes
    assert not [note for note in finished(asked(seed=0)).notes if note.startswith("prompt")]


class TestRefusals:
    def test_an_empty_prompt(self, asked):
        with pytest.raises(RequestError, match="prompt: the prompt is empty"):
            asked(prompt="  ")

    def test_a_missing_prompt(self, asked):
        assert refused(asked(prompt=None)) == "cogvideox-5b needs prompt to generate"

    def test_a_field_the_model_does_not_take_names_those_that_do(self, asked):
        text = refused(asked(image=Image.new("RGB", (32, 32))))
        assert text.startswith("cogvideox-5b takes no image; these do: ")
        assert "cogvideox-5b-i2v" in text

    def test_an_unknown_option_lists_the_valid_ones(self, asked):
        assert "its options: dynamic_guidance" in refused(asked(options={"motion_bucket": 3}))

    def test_a_size_names_the_nearest(self, asked):
        assert "the nearest is 32x32, which --fit takes" in refused(asked(size="100x100"))
        assert finished(asked(size="100x100", fit=True, seed=0)).width == 32

    @pytest.mark.parametrize("seed", [-1, 2**63])
    def test_a_seed_out_of_range(self, asked, seed):
        with pytest.raises(RequestError, match="seed"):
            asked(seed=seed)

    def test_a_folder_without_a_checkpoint(self, asked, tmp_path):
        refused(asked(weights=tmp_path), InputError)

    def test_a_checkpoint_of_another_model(self, asked, tmp_path):
        folder = tmp_path / "wan"
        tiny_checkpoint(*registry.find("wan2.1-t2v-1.3b"), folder)
        text = refused(asked(weights=folder), InputError)
        assert text.startswith("these weights are not those of cogvideox-5b")

    def test_a_preview_or_an_output_that_cannot_be_written(self, asked, tmp_path):
        refused(asked(preview=tmp_path / "look.txt"))
        refused(asked(preview=tmp_path / "out.mp4"), OutputError)
        refused(asked(output=tmp_path / "out.xyz"))

    def test_a_folder_that_holds_other_pictures(self, asked, tmp_path):
        (tmp_path / "album").mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / "album" / "cat.png")
        assert "holds other pictures, as cat.png" in refused(asked(output=tmp_path / "album"), OutputError)

    def test_an_existing_output_before_anything_is_loaded(self, asked, tmp_path):
        (tmp_path / "out.mp4").write_bytes(b"mine")
        refused(asked(), OutputError)
        assert (tmp_path / "out.mp4").read_bytes() == b"mine"

    def test_a_damaged_image(self, asked, tmp_path):
        bad = tmp_path / "bad.png"
        bad.write_bytes(b"\x89PNG not really")
        folder, model = tmp_path / "i2v", "cogvideox-5b-i2v"
        folder.mkdir()
        tiny_checkpoint(*registry.find(model), folder)
        refused(asked(model=model, weights=folder, image=bad), InputError)
        wrong = Image.new("RGB", (64, 32))
        assert "50% of its width would be cut off" in refused(asked(model=model, weights=folder, image=wrong))

    def test_a_checkpoint_with_nan_weights_names_the_way_out(self, asked, tiny, tmp_path):
        import shutil

        from safetensors.torch import load_file, save_file

        broken = tmp_path / "broken"
        shutil.copytree(tiny, broken)
        file = broken / "transformer" / "diffusion_pytorch_model.safetensors"
        tensors = {name: tensor * float("nan") for name, tensor in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})
        assert "--dtype bfloat16 or --dtype float32" in refused(asked(weights=broken), ModelError)

    def test_a_prompt_that_is_too_long_says_what_is_not_read(self, asked):
        result = finished(asked(prompt="a lake with 1234 boats", seed=0))
        (note,) = [note for note in result.notes if "not read" in note]
        assert note == "the prompt has 23 tokens, cogvideox-5b reads 15; not read: '34 boats'"


class TestAgain:
    def test_the_same_file_comes_out(self, asked, tmp_path):
        made = finished(asked(seed=7))
        again = finished(request(Again, {"video": made.output, "output": tmp_path / "again.mp4"}))
        assert again.output.read_bytes() == made.output.read_bytes()
        assert again.recipe["plan"] == made.recipe["plan"]

    def test_a_plan_for_a_device_that_is_not_here_is_made_anew(self, asked, tmp_path, monkeypatch):
        made = finished(asked(seed=7))
        elsewhere = made.recipe | {"plan": made.recipe["plan"] | {"device": "cuda:7"}}
        probed = replace(Clip(made.output).info, recipe=elsewhere)
        monkeypatch.setattr("moviola.media.container.ContainerSource.probe", lambda self, **_: probed)
        again = run.run(request(Again, {"video": made.output, "output": tmp_path / "again.mp4"}))
        notes = [event.text for event in again if isinstance(event, Note)]
        assert notes[0].startswith("made on cuda:7, which is not here")
        assert any("runs on cpu" in note for note in notes)

    def test_another_seed_is_another_take_of_the_same_request(self, asked, tmp_path):
        made = finished(asked(seed=7))
        again = finished(request(Again, {"video": made.output, "output": tmp_path / "b.mp4", "seed": 8}))
        assert hashes(again.output) != hashes(made.output)
        assert again.recipe["request"]["prompt"] == "a lake"

    def test_a_field_can_be_changed(self, asked, tmp_path):
        made = finished(asked(seed=7, options={"dynamic_guidance": True}))
        change = {"seconds": "2", "steps": "3"}
        again = finished(
            request(Again, {"video": made.output, "output": tmp_path / "b.mp4", "change": change})
        )
        assert (again.frames, again.recipe["request"]["steps"]) == (16, 3)
        assert again.recipe["request"]["options"] == {"dynamic_guidance": True}

    def test_a_single_option_can_be_changed(self, asked, tmp_path):
        made = finished(asked(seed=7))
        change = {"options.dynamic_guidance": "true"}
        fields = {"video": made.output, "output": tmp_path / "b.mp4", "change": change}
        again = finished(request(Again, fields))
        assert hashes(again.output) != hashes(made.output)

    def test_a_copy_finds_what_it_was_made_from_beside_it(self, asked, tmp_path, monkeypatch):
        from moviola.film import film
        from moviola.stage import Scene, Shot

        here, there = tmp_path / "here", tmp_path / "there"
        here.mkdir()
        monkeypatch.chdir(here)
        film(Scene((Shot(0.4),), size=(32, 32)), here / "clip.mp4")
        made = finished(asked(Edit, video="clip.mp4", prompt="snow", seed=1, output=here / "made.mp4"))
        here.rename(there)
        monkeypatch.chdir(tmp_path)
        again = finished(request(Again, {"video": there / "made.mp4", "output": tmp_path / "again.mp4"}))
        assert hashes(again.output) == hashes(there / "made.mp4")
        assert made.recipe["plan"] == again.recipe["plan"]

    def test_a_file_without_a_recipe_is_refused(self, tmp_path):
        from moviola.film import film
        from moviola.stage import Scene, Shot

        clip = film(Scene((Shot(0.2),), size=(32, 32)), tmp_path / "clip.mp4")
        assert "holds no recipe" in refused(request(Again, {"video": clip}), InputError)

    def test_other_versions_and_changed_inputs_are_told(self, asked, tmp_path):
        from moviola.film import film
        from moviola.stage import Scene, Shot

        clip = film(Scene((Shot(0.4),), size=(32, 32)), tmp_path / "clip.mp4")
        made = finished(asked(Edit, video=clip, prompt="snow", seed=1))
        clip.unlink()
        film(Scene((Shot(0.5),), size=(32, 32)), clip)
        again = run.run(request(Again, {"video": made.output, "output": tmp_path / "b.mp4"}))
        notes = [event.text for event in again if isinstance(event, Note)]
        assert any("is not the file it was" in note for note in notes)
