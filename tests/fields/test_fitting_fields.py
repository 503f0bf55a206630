"""A clip becomes fields: near its frames, with motion that is the true one, and edits that go with it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from moviola.fields import Carried, Fitted, Settings, canonical, carried, estimated, fit, rendered, suited
from moviola.model import Progress
from moviola.nets.codef import pixels
from moviola.stage import Motion, Scene, Shot, Sprite, Stage, render

COUNT, WIDTH, HEIGHT, RATE = 8, 48, 32, 25
DISC = Sprite("disc", 9, (0.95, 0.35, 0.2), Motion((-8, -2), (45, 12)), seed=3)


def staged(*sprites: Sprite, velocity: tuple[float, float] = (15, 5)) -> Stage:
    shot = Shot(COUNT / RATE, ground=1, camera=Motion(velocity=velocity), sprites=sprites)
    return render(Scene((shot,), (WIDTH, HEIGHT), Fraction(RATE)))


def pictures(stage: Stage) -> np.ndarray:
    return next(stage.frames()).data


def flows(stage: Stage) -> np.ndarray:
    each = [stage.flow(index) for index in range(COUNT - 1)]
    return np.stack([np.where(flow.valid[..., None], flow.vectors, np.nan) for flow in each])


def centres(stage: Stage) -> np.ndarray:
    """Where the disc's middle truly is, (T, 2)."""
    middle = [stage._takes[0].poses(stage.time_of(index))[1].b for index in range(COUNT)]
    return np.array([(z.real, z.imag) for z in middle])


def finished(fitting: Generator[Progress, None, Any]) -> Any:
    while True:
        try:
            next(fitting)
        except StopIteration as end:
            return end.value


def psnr(a: np.ndarray, b: np.ndarray, where: Any = ...) -> float:
    return float(10 * np.log10(255**2 / np.mean(np.square(a[where].astype(float) - b[where]))))


def quick(steps: int = 160, **changes: Any) -> Settings:
    return replace(suited(COUNT, WIDTH, HEIGHT), steps=steps, **changes)


@pytest.fixture(scope="module")
def ground() -> tuple[Stage, Fitted]:
    stage = staged()
    return stage, finished(fit(pictures(stage), flows(stage), settings=quick(120)))


@pytest.fixture(scope="module")
def disc() -> tuple[Stage, Fitted]:
    stage = staged(DISC)
    masks = stage.masks().data
    return stage, finished(fit(pictures(stage), flows(stage), masks, settings=quick()))


def test_rendered_as_it_was_fitted_the_clip_is_there_again(
    ground: tuple[Stage, Fitted], disc: tuple[Stage, Fitted]
) -> None:
    stage, fitted = ground
    assert psnr(rendered(fitted), pictures(stage)) > 24
    stage, fitted = disc
    assert psnr(rendered(fitted), pictures(stage), stage.masks().data) > 20


def test_the_picture_looks_like_the_middle_frame_with_room_around_it(ground: tuple[Stage, Fitted]) -> None:
    stage, fitted = ground
    picture = canonical(fitted)
    assert picture.shape == (HEIGHT + 2 * 10, WIDTH + 2 * 14, 3)
    middle = picture[10:-10, 14:-14]
    each = [psnr(middle, frame) for frame in pictures(stage)]
    assert int(np.argmax(each)) in (3, 4, 5)
    assert max(each) > 18


def test_the_unedited_picture_gives_the_clip(ground: tuple[Stage, Fitted]) -> None:
    _, fitted = ground
    again = rendered(fitted, canonical(fitted))
    # Looking up between pixels blurs a little.
    assert psnr(again, rendered(fitted)) > 28


def test_what_is_painted_on_the_picture_follows_the_object(disc: tuple[Stage, Fitted]) -> None:
    stage, fitted = disc
    truth = centres(stage)
    picture = canonical(fitted)
    high, wide = picture.shape[:2]
    point = (torch.tensor(truth[COUNT // 2], dtype=torch.float32) + 0.5) / torch.tensor(fitted.size)
    place = fitted.network.places(point[None], fitted.time(COUNT // 2))[0] * torch.tensor(fitted.size)
    rows, columns = np.indices((high, wide))
    apart = np.hypot(
        columns - (wide - WIDTH) // 2 + 0.5 - float(place[0]),
        rows - (high - HEIGHT) // 2 + 0.5 - float(place[1]),
    )
    paint = np.zeros((high, wide, 4), np.uint8)
    paint[..., 3] = np.where(apart < 3, 255, 0)
    ink = rendered(fitted, paint)[..., 3].astype(float) * stage.masks().data
    rows, columns = np.indices((HEIGHT, WIDTH))
    found = np.array([[(one * columns).sum(), (one * rows).sum()] / one.sum() for one in ink])
    moved = np.linalg.norm(truth[-1] - truth[0])
    assert moved > 7
    assert np.linalg.norm(found - truth, axis=1).mean() < 1.2


def test_a_stroke_is_carried_with_the_object(disc: tuple[Stage, Fitted]) -> None:
    stage, fitted = disc
    truth = centres(stage)
    stroke = truth[4] + np.array([[-4, 0], [0, 0], [0, 4]])
    path = carried(fitted, stroke, at=4)
    assert path.positions.shape == (COUNT, 3, 2)
    errors = np.linalg.norm(path.positions - (truth[:, None] + stroke - truth[4]), axis=2)
    assert np.abs(path.positions[4] - stroke).max() < 0.2
    assert errors.mean() < 1.2
    assert path.visible[1:-1].all()


def test_what_leaves_the_frame_is_not_visible_any_more(ground: tuple[Stage, Fitted]) -> None:
    _, fitted = ground
    left_edge = carried(fitted, np.array([[0, 16], [24, 16]]), at=0)
    assert isinstance(left_edge, Carried)
    assert left_edge.visible[0].all()
    assert not left_edge.visible[-1, 0]
    assert left_edge.visible[:, 1].all()


def test_progress_is_told_step_by_step_and_a_fit_can_be_left() -> None:
    fitting = fit(pictures(staged()), settings=quick(500))
    told = [next(fitting) for _ in range(3)]
    fitting.close()
    assert told == [Progress(step, 500, "steps") for step in (1, 2, 3)]


def test_the_seed_decides_and_the_random_state_is_left_alone() -> None:
    clip = pictures(staged())
    before = torch.get_rng_state()
    fits = [finished(fit(clip, settings=quick(3), seed=seed)) for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    first, same, other = (rendered(fitted) for fitted in fits)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_what_the_masks_leave_out_changes_nothing() -> None:
    stage = staged(DISC)
    clip, masks = pictures(stage), stage.masks().data
    noisy = clip.copy()
    # The gradient of an edge looks one pixel further than the mask.
    near = np.ones_like(masks)
    near[:, 1:-1, 1:-1] = False
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            near |= np.roll(masks, (down, across), (1, 2))
    noisy[~near] = 255 - noisy[~near]
    a, b = (finished(fit(frames, None, masks, settings=quick(3))) for frames in (clip, noisy))
    assert np.array_equal(rendered(a), rendered(b))


def test_flow_makes_places_agree_along_it() -> None:
    stage = staged(velocity=(40, 0))
    unknown = np.full((COUNT - 1, HEIGHT, WIDTH, 2), np.nan, np.float32)
    apart = []
    for known in (flows(stage), unknown, None):
        # Without its hash grid, the deformation is all network and soon fitted.
        fitted = finished(fit(pictures(stage), known, settings=quick(60, flow=10.0, smooth=1.0)))
        # The camera moves 1.6 pixels between frames.
        paths = [torch.tensor([[30.5 - 1.6 * index, 16.5]]) / torch.tensor(fitted.size) for index in range(8)]
        places = [fitted.network.places(p, fitted.time(index)) for index, p in enumerate(paths)]
        apart.append(float((torch.cat(places) * torch.tensor(fitted.size)).std(0).norm()))
    assert apart[0] < 0.5 * apart[1]
    assert apart[1] == apart[2]


def test_the_reference_frame_is_not_deformed() -> None:
    stage = staged(velocity=(40, 0))
    settings = quick(100, smooth=1.0)
    fitted = finished(fit(pictures(stage), flows(stage), settings=settings, reference=0))
    size, still = torch.tensor(fitted.size), pixels(*fitted.size)
    moved = [((fitted.places(index) - still) * size).norm(dim=1).mean() for index in range(COUNT)]
    assert np.argmin(moved) == 0
    assert moved[0] < 1.5
    assert moved[7] > 5


def test_deep_clips_stay_deep_and_single_frames_are_clips() -> None:
    clip = pictures(staged())[:1].astype(np.uint16) * 257
    fitted = finished(fit(clip, finished(estimated(clip)), settings=quick(2)))
    assert rendered(fitted).dtype == canonical(fitted).dtype == np.uint16
    assert rendered(fitted).shape == clip.shape


def test_estimated_flow_is_the_true_one_where_it_is_trusted() -> None:
    stage = staged(velocity=(40, 0))
    estimates = estimated(pictures(stage))
    assert next(estimates) == Progress(1, COUNT - 1, "pairs")
    flow = finished(estimates)
    trusted = np.isfinite(flow).all(-1) & np.isfinite(flows(stage)).all(-1)
    assert trusted.mean() > 0.8
    assert np.linalg.norm((flow - flows(stage))[trusted], axis=1).mean() < 0.3
    # What leaves the picture cannot come back.
    assert np.isnan(flow[:, :, 0]).mean() > np.isnan(flow).mean()


def test_what_does_not_fit_together_is_refused() -> None:
    clip = pictures(staged())
    for frames, motion, masks, said in (
        (clip, np.zeros((COUNT, HEIGHT, WIDTH, 2), np.float32), None, "flows have shape"),
        (clip, None, np.ones((COUNT, HEIGHT, 3), bool), "masks have shape"),
        (clip, None, np.zeros((COUNT, HEIGHT, WIDTH), bool), "select nothing"),
        (np.concatenate([clip, clip[..., :1]], -1), None, None, "4 channels"),
    ):
        with pytest.raises(ValueError, match=said):
            next(fit(frames, motion, masks))


@pytest.mark.parametrize(
    ("clip", "levels", "rows", "steps"),
    [((16, 96, 64), (7, 8), 17, 800), ((1, 1, 1), (1, 1), 0, 500), ((400, 1920, 1080), (16, 16), 19, 10_000)],
)
def test_settings_grow_with_the_clip_up_to_the_authors(
    clip: tuple[int, int, int], levels: tuple[int, int], rows: int, steps: int
) -> None:
    settings = suited(*clip)
    assert (settings.deformation["levels"], settings.canonical["levels"]) == levels
    assert settings.deformation["log2_rows"] == settings.canonical["log2_rows"] == rows
    assert settings.steps == steps
