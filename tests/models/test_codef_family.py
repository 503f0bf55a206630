"""CoDeF as a model: the picture comes out, is edited, and the edit goes with what it was painted on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from moviola.clip import Clip
from moviola.errors import InputError, MoviolaError, OutputError, RequestError
from moviola.model import Note, Progress, Result
from moviola.models.codef import fitted_size, shrunk
from moviola.plan.choose import summary
from moviola.roads.synthesis import prepare
from moviola.run import run
from moviola.stage import Motion, Scene, Shot, Sprite, Stage, render
from moviola.tasks import Edit, VideoResult, request

COUNT, WIDTH, HEIGHT, RATE = 8, 48, 32, 25
NOISE = np.random.default_rng(0).integers(0, 256, (6, 8, 12, 3), np.uint8)
"""A clip for what does not depend on how well it is fitted."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOVIOLA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def asked(tmp_path: Path) -> Callable[..., Edit]:
    def ask(video: Any = NOISE, options: dict[str, Any] | None = None, **fields: Any) -> Edit:
        given = {"video": video, "model": "codef", "device": "cpu", "output": tmp_path / "out" / "%05d.png"}
        given |= {"options": {"rounds": 1} | (options or {}), "overwrite": True}
        edit = request(Edit, given | fields)
        assert isinstance(edit, Edit)
        return edit

    return ask


def done(asked: Edit) -> VideoResult:
    *_, last = run(asked)
    assert isinstance(last, Result)
    result: VideoResult = last.value
    return result


def frames_of(result: VideoResult, *, depth: Any = 8, alpha: bool = False) -> np.ndarray:
    return np.concatenate(
        [chunk.data for chunk in Clip(result.output.parent).chunks(depth=depth, alpha=alpha)]
    )


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


def refused(asked: Edit, error: type[MoviolaError]) -> str:
    with pytest.raises(error) as raised:
        list(run(asked))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def disc() -> Stage:
    sprite = Sprite("disc", 9, (0.95, 0.35, 0.2), Motion((-8, -2), (45, 12)), seed=3)
    shot = Shot(COUNT / RATE, ground=1, camera=Motion(velocity=(15, 5)), sprites=(sprite,))
    return render(Scene((shot,), (WIDTH, HEIGHT), Fraction(RATE)))


def test_what_is_painted_on_the_picture_follows_the_object_and_nothing_else_changes(asked, tmp_path):
    stage = disc()
    video, masks = next(stage.frames()).data, stage.masks().data
    picture = tmp_path / "picture.png"
    common = {"video": video, "mask": masks, "options": {"rounds": 32}}
    done(asked(**common | {"options": {"rounds": 32, "canonical": picture}}))
    middle = [stage._takes[0].poses(stage.time_of(index))[1].b for index in range(COUNT)]
    truth = np.array([(z.real, z.imag) for z in middle])
    image = np.array(opened(picture))
    left, top = (image.shape[1] - WIDTH) // 2, (image.shape[0] - HEIGHT) // 2
    # The middle frame lies undeformed in the picture: a dot is painted on the disc's middle.
    rows, columns = np.indices(image.shape[:2])
    x, y = truth[COUNT // 2]
    image[np.hypot(columns - left - x, rows - top - y) < 3] = (0, 255, 0)
    Image.fromarray(image).save(picture)
    made = frames_of(done(asked(**common, reference=picture)))
    assert np.array_equal(made[~masks], video[~masks])
    ink = np.abs(made.astype(float) - video).sum(-1)
    rows, columns = np.indices((HEIGHT, WIDTH))
    found = np.array([[(one * columns).sum(), (one * rows).sum()] / one.sum() for one in ink])
    assert np.linalg.norm(truth[-1] - truth[0]) > 7
    assert np.linalg.norm(found - truth, axis=1).max() < 0.5


def test_a_picture_that_is_left_alone_leaves_the_video_alone(asked, tmp_path):
    picture = tmp_path / "picture.png"
    done(asked(options={"canonical": picture}))
    assert np.array_equal(frames_of(done(asked(reference=picture))), NOISE)


def test_without_an_edit_the_fit_itself_is_shown(asked):
    made = frames_of(done(asked()))
    assert made.shape == NOISE.shape
    assert not np.array_equal(made, NOISE)


def test_transparent_paint_is_laid_over_the_frames(asked, tmp_path):
    done(asked(options={"canonical": tmp_path / "picture.png"}))
    height, width = np.array(opened(tmp_path / "picture.png")).shape[:2]
    paint = np.zeros((height, width, 4), np.uint8)
    assert np.array_equal(frames_of(done(asked(reference=Image.fromarray(paint)))), NOISE)
    paint[:, : width // 2] = (255, 0, 0, 255)
    made = frames_of(done(asked(reference=Image.fromarray(paint))))
    red = (made == (255, 0, 0)).all(-1)
    assert red.any()
    kept = (made == NOISE).all(-1)
    assert kept.any()
    # At the edge of the paint a pixel is between both, and never darker than either.
    edge = made[~red & ~kept]
    assert (edge[:, 0] >= NOISE[~red & ~kept][:, 0]).all()


def test_what_was_fitted_is_not_fitted_again(asked, tmp_path, cache):
    first = list(run(asked()))
    again = list(run(asked()))
    assert max(event.total for event in first if isinstance(event, Progress)) == len(NOISE)
    assert len([event for event in again if isinstance(event, Progress)]) == 1
    assert any(isinstance(event, Note) and "nothing is fitted again" in event.text for event in again)
    (kept,) = (cache / "fields").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    assert len([event for event in run(asked()) if isinstance(event, Progress)]) > 1


def test_another_video_mask_or_setting_is_fitted_anew(asked, cache):
    done(asked())
    for changed in ({"video": NOISE[::-1]}, {"mask": "0,0,4,4"}, {"options": {"rounds": 2}}):
        before = len(list((cache / "fields").iterdir()))
        done(asked(**changed))
        assert len(list((cache / "fields").iterdir())) == before + 1
    before = len(list((cache / "fields").iterdir()))
    done(asked(options={"rounds": 3, "keep": False}))
    assert len(list((cache / "fields").iterdir())) == before


def test_a_fit_is_the_same_each_time(asked):
    first, second = (frames_of(done(asked(options={"keep": False}, seed=seed))) for seed in (1, 2))
    assert np.array_equal(first, second)


def test_stretches_have_pictures_of_their_own(asked, tmp_path):
    options = {"window": 2, "canonical": tmp_path / "picture.png"}
    assert done(asked(options=options)).windows == 3
    assert sorted(path.name for path in tmp_path.glob("picture*")) == [
        "picture-1.png",
        "picture-2.png",
        "picture-3.png",
    ]
    all_of_them = tmp_path / "picture-%d.png"
    made = frames_of(done(asked(options={"window": 2}, reference=all_of_them)))
    assert np.array_equal(made, NOISE)
    told = refused(asked(options={"window": 2}, reference=tmp_path / "picture-1.png"), InputError)
    assert "holds 1 of at least 2 pictures" in told
    assert "of 3 pictures" not in told
    opened(tmp_path / "picture-1.png").save(tmp_path / "picture-4.png")
    notes = done(asked(options={"window": 2}, reference=all_of_them)).notes
    assert any("holds 4 pictures; the first 3 are used" in note for note in notes)


def test_scenes_are_fitted_apart(asked, tmp_path):
    shots = tuple(Shot(0.24, ground=ground) for ground in (1, 2))
    video = next(render(Scene(shots, (64, 48), Fraction(RATE))).frames()).data
    done(asked(video, options={"canonical": tmp_path / "picture.png"}))
    assert len(list(tmp_path.glob("picture-*.png"))) == 2


def test_a_picture_of_another_size_is_scaled_and_of_another_shape_refused(asked, tmp_path):
    done(asked(options={"canonical": tmp_path / "picture.png"}))
    picture = opened(tmp_path / "picture.png")
    twice = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    assert np.array_equal(frames_of(done(asked(reference=twice))), NOISE)
    wide = picture.resize((2 * picture.width, picture.height))
    assert "this video's picture is" in refused(asked(reference=wide), InputError)


def test_a_picture_that_is_there_is_not_lost(asked, tmp_path):
    picture = tmp_path / "picture.png"
    Image.new("RGB", (4, 4)).save(picture)
    options = {"canonical": picture}
    told = refused(asked(options=options, overwrite=False), OutputError)
    assert "picture.png exists" in told
    assert not list(tmp_path.glob("cache/fields/*"))
    done(asked(options=options))
    done(asked(options=options, overwrite=False, output=tmp_path / "again.mkv"))
    opened(picture).resize((4, 4)).save(picture)
    refused(asked(options=options, overwrite=False, output=tmp_path / "third.mkv"), OutputError)


def test_an_interrupted_edit_goes_on_and_closing_stops_within_a_step(asked, tmp_path):
    saved = Clip(NOISE, rate=25).save(tmp_path / "noise.mkv").source.name
    options = {"window": 2, "keep": False}
    unbroken = frames_of(done(asked(saved, options=options)))
    with closing(run(asked(saved, options=options, output=tmp_path / "broken" / "%05d.png"))) as events:
        for event in events:
            if isinstance(event, Progress) and event.done > 4.1:
                break
    result = done(asked(saved, options=options, output=tmp_path / "broken" / "%05d.png"))
    assert result.resumed_windows == 2
    assert np.array_equal(frames_of(result), unbroken)


def test_masks_of_nothing_and_of_everything(asked, tmp_path):
    options = {"canonical": tmp_path / "picture.png"}
    none = done(asked(mask=np.zeros((8, 12), bool), options=options))
    assert np.array_equal(frames_of(none), NOISE)
    assert any("selects nothing; the video is unchanged" in note for note in none.notes)
    everything = frames_of(done(asked(mask=np.ones((8, 12), bool))))
    assert np.array_equal(everything, frames_of(done(asked())))


@pytest.mark.parametrize("shape", [(1, 8, 12), (2, 8, 12), (3, 5, 1), (1, 1, 1)])
def test_the_smallest_clips(asked, tmp_path, shape):
    # The same picture again and again: in so little of it, noise would be taken for cuts.
    video = np.repeat(NOISE[:1, : shape[1], : shape[2]], shape[0], axis=0)
    picture = tmp_path / "picture.png"
    assert frames_of(done(asked(video, options={"canonical": picture}))).shape == video.shape
    assert np.array_equal(frames_of(done(asked(video, reference=picture))), video)


def test_alpha_and_sixteen_bits_pass_through(asked, tmp_path):
    alpha = np.random.default_rng(1).integers(0, 65536, (6, 8, 12, 1), np.uint16)
    deep = np.concatenate([NOISE.astype(np.uint16) * 257 + 3, alpha], -1)
    picture = tmp_path / "picture.png"
    done(asked(deep, options={"canonical": picture}))
    assert Clip(picture).info.video.bit_depth == 16
    made = frames_of(done(asked(deep, reference=picture)), depth=16, alpha=True)
    assert np.array_equal(made, deep)
    # A painting program that gives 8 bits has not changed what it only rounded.
    eight = Clip(picture).source.frames_at([0]).data[0]
    assert np.array_equal(
        frames_of(done(asked(deep, reference=Image.fromarray(eight))), depth=16, alpha=True), deep
    )


def test_large_clips_are_fitted_small_and_drawn_large(asked, tmp_path):
    picture = tmp_path / "picture.png"
    result = done(asked(options={"side": 8, "canonical": picture}))
    assert "fitted at 8x5, drawn at 12x8; see -O side" in result.notes
    assert opened(picture).size == (12 + 2 * 4, 8 + 2 * 2)
    assert (result.width, result.height) == (12, 8)


def test_shrinking_keeps_what_a_mask_selects():
    assert fitted_size((1920, 1080), 480) == (480, 270)
    assert fitted_size((1, 4000), 480) == (1, 480)
    masks = np.zeros((1, 40, 60), bool)
    masks[0, 7, 11] = True
    small, chosen = shrunk(np.zeros((1, 40, 60, 3), np.uint8), masks, 6)
    assert small.shape == (1, 4, 6, 3)
    assert chosen is not None
    assert chosen.sum() == chosen[0, 0, 1] == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"size": "32x32"}, "no size"),
        ({"weights": Path()}, "no weights"),
        ({"memory": "4GB"}, "no memory"),
        ({"preview": Path("look.webp")}, "no preview"),
        ({"speed": "fast"}, "no speed"),
        ({"count": 2}, "without a prompt"),
        ({"steps": 5}, "needs a prompt"),
        ({"strength": 0.5}, "needs a prompt"),
        ({"negative_prompt": "fog"}, "needs a prompt"),
        ({"prompt": "snow", "reference": NOISE[0]}, "not both"),
        ({"options": {"canonical": "picture.jpg"}}, "ends in .png"),
        ({"options": {"canonical": "picture.png"}, "reference": NOISE[0]}, "leave it out"),
        ({"options": {"colour": "red"}}, "there is no such option"),
    ],
)
def test_what_it_does_not_take_is_refused(asked, fields, said):
    assert said in refused(asked(**fields), RequestError)


def test_there_is_a_plan(asked):
    lines = summary(prepare(asked()).plan)
    assert lines[0].startswith("device    cpu, float32")
    assert not any("0.0 GB" in line for line in lines)
    assert "seed" not in " ".join(prepare(asked()).notes)
