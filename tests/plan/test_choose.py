"""A machine is a value here: the ladder is climbed down by giving it less memory."""

from dataclasses import replace

import pytest

from moviola.card import Codec, Denoiser, Limits, ModelCard, Part, Weights
from moviola.errors import InputError
from moviola.plan.choose import brief, choose, rungs, step_down, summary
from moviola.plan.cost import decode_bytes
from moviola.plan.machine import Machine
from moviola.plan.plan import Job, Plan, Wishes

WAN = ModelCard(
    id="wan",
    tasks=("generate",),
    summary="Wan 14B",
    licence="Apache-2.0",
    limits=Limits(frame_step=4, frame_base=1, size_multiple=16),
    parts=(
        Part(name="transformer", parameters=14_288_491_584, role="denoiser"),
        Part(name="text_encoder", parameters=5_680_910_336, role="text"),
        Part(name="vae", parameters=126_892_531, role="codec"),
    ),
    denoiser=Denoiser(
        stride=(4, 8, 8),
        patch=(1, 2, 2),
        layers=40,
        width=5120,
        token_parameters=11_954_421_760,
        cross_tokens=512,
        token_bytes=114_420,
        batch=1,
    ),
    codec=Codec(still_bytes=10_130, tile=(256, 256)),
)
JOB = Job(width=1280, height=720, frames=81, steps=50, guided=True)
GB = 10**9


def gpu(free, **more):
    facts = {
        "device": "cuda:0",
        "name": "GPU",
        "kind": "cuda",
        "total_bytes": 200 * GB,
        "free_bytes": int(free * GB),
        "host_bytes": 200 * GB,
        "bfloat16": True,
        "fp8": True,
    }
    return Machine(**{**facts, **more})


def cpu(free, **more):
    facts = {"device": "cpu", "name": "CPU", "kind": "cpu", "total_bytes": 200 * GB, "bfloat16": True}
    return Machine(**{**facts, "free_bytes": int(free * GB), "host_bytes": int(free * GB), **more})


def way(plan):
    return plan.offload, plan.vae_tiling, plan.storage


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (80, ("none", False, "same")),
        (57, ("none", True, "same")),
        (46, ("model", False, "same")),
        (16, ("group", False, "same")),
    ],
)
def test_an_exact_plan_is_the_fastest_that_fits(free, expected):
    plan = choose(WAN, JOB, gpu(free), Wishes())
    assert way(plan) == expected
    assert plan.cache is None
    assert plan.device_bytes < free * GB
    assert plan.host_bytes >= 40 * GB


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (80, ("none", False, "same")),
        (46, ("model", False, "same")),
        (42, ("none", True, "fp8")),
        (30, ("model", False, "fp8")),
        (16, ("group", False, "fp8")),
    ],
)
def test_weights_are_rounded_only_where_speed_was_asked_for(free, expected):
    plan = choose(WAN, JOB, gpu(free), Wishes(speed="balanced"))
    assert way(plan) == expected
    assert plan.cache == "first-block"


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (80, ("none", False, "same")),
        (46, ("model", False, "same")),
        (42, ("none", False, "int8")),
        (36, ("none", True, "int8")),
        (30, ("model", False, "int8")),
        (16, ("group", False, "int8")),
    ],
)
def test_int8_comes_before_fp8_where_it_is_installed(free, expected):
    machine = gpu(free, int8=True)
    assert way(choose(WAN, JOB, machine, Wishes(speed="balanced"))) == expected
    assert choose(WAN, JOB, machine, Wishes()).storage == "same"


def test_a_cpu_rounds_weights_only_where_memory_is_short_and_speed_was_asked_for():
    wishes = Wishes(speed="balanced")
    assert way(choose(WAN, JOB, cpu(56, int8=True), wishes)) == ("none", True, "same")
    rounded = choose(WAN, JOB, cpu(50, int8=True), wishes)
    assert way(rounded) == ("none", False, "int8")
    assert any("int8" in reason for reason in rounded.reasons)
    for machine, wished in ((cpu(50), wishes), (cpu(50, int8=True), Wishes())):
        with pytest.raises(InputError):
            choose(WAN, JOB, machine, wished)


def test_weights_must_fit_as_they_are_read_before_they_are_rounded():
    for machine in (cpu(39, int8=True), gpu(42, int8=True, host_bytes=39 * GB)):
        with pytest.raises(InputError, match=r"40\.2 GB of the host"):
            choose(WAN, JOB, machine, Wishes(speed="balanced"))


def test_a_unet_is_not_held_in_int8():
    unet = WAN.model_copy(update={"denoiser": Denoiser(stride=(1, 8, 8), macs_per_pixel=1e6)})
    stored = {rung.storage for rung in rungs(unet, gpu(24, int8=True), "fast")}
    assert stored == {"same", "fp8"}


def test_memory_may_be_wished_smaller():
    plan = choose(WAN, JOB, gpu(80), Wishes(memory=24 * GB))
    assert plan.offload == "group"
    assert plan.device_bytes < 24 * GB
    assert way(choose(WAN, JOB, gpu(80), Wishes(memory=500 * GB))) == ("none", False, "same")


def test_what_does_not_fit_is_refused_with_numbers_and_a_way_out():
    with pytest.raises(InputError) as caught:
        choose(WAN, JOB, cpu(45), Wishes())
    text = str(caught.value)
    assert "\n" not in text
    assert "1280x720" in text
    assert "81 frames" in text
    assert "40.5 GB" in text, "what may be used: the free memory less a tenth"
    with pytest.raises(InputError, match="57 frames or 960x528 would fit"):
        choose(WAN, JOB, cpu(52.5), Wishes())
    with pytest.raises(InputError, match="bfloat16 would fit"):
        choose(WAN, JOB, cpu(60), Wishes(dtype="float32"))
    with pytest.raises(InputError, match="the host"):
        choose(WAN, JOB, gpu(80, host_bytes=20 * GB), Wishes())


def test_what_a_refusal_offers_does_fit():
    tight = cpu(52.5)
    with pytest.raises(InputError):
        choose(WAN, JOB, tight, Wishes())
    assert choose(WAN, replace(JOB, frames=41), tight, Wishes()).device_bytes < tight.free_bytes


def test_a_cpu_has_no_offload():
    assert {rung.offload for rung in rungs(WAN, cpu(64), "fast")} == {"none"}
    assert way(choose(WAN, JOB, cpu(70), Wishes())) == ("none", False, "same")
    assert way(choose(WAN, JOB, cpu(56), Wishes())) == ("none", True, "same")


@pytest.mark.parametrize(
    ("published", "machine", "dtype"),
    [
        ("bfloat16", gpu(80), "bfloat16"),
        ("bfloat16", gpu(180, bfloat16=False), "float32"),
        ("bfloat16", cpu(180), "bfloat16"),
        ("bfloat16", cpu(180, bfloat16=False), "float32"),
        ("float16", gpu(80), "float16"),
        ("float16", gpu(80, bfloat16=False), "float16"),
        ("float16", cpu(180), "bfloat16"),
        ("float16", cpu(180, bfloat16=False), "float32"),
        ("float32", gpu(180), "float32"),
    ],
)
def test_the_dtype_is_the_published_one_where_the_machine_has_it(published, machine, dtype):
    card = WAN.model_copy(update={"dtype": published})
    assert choose(card, JOB, machine, Wishes()).dtype == dtype


def test_a_wish_for_a_dtype_is_followed():
    assert choose(WAN, JOB, gpu(180), Wishes(dtype="float32")).dtype == "float32"


def test_a_long_job_is_compiled_and_its_time_said():
    def fast(dtype):
        return 350e12 if dtype == "bfloat16" else 30e12

    machine = gpu(80, speed=fast)
    plan = choose(WAN, JOB, machine, Wishes())
    # 50 steps of two passes of 3.26e15 multiply-adds, at half of 350e12 in a second.
    assert plan.seconds == pytest.approx(100 * 3.2617e15 / 175e12, rel=0.01)
    assert plan.compile
    assert not choose(WAN, replace(JOB, steps=4, guided=False), machine, Wishes()).compile
    assert not choose(WAN, JOB, machine, Wishes(speed="balanced")).compile
    assert choose(WAN, JOB, gpu(16, speed=fast), Wishes()).seconds is None
    assert choose(WAN, JOB, gpu(80), Wishes()).seconds is None


def test_attention_is_torchs_own_unless_the_family_takes_another():
    installed = gpu(80, attention=("flash", "sage"))
    taking = WAN.model_copy(update={"facts": {"attention": ("flash", "sage")}})
    assert choose(WAN, JOB, installed, Wishes()).attention == "native"
    assert choose(taking, JOB, gpu(80), Wishes()).attention == "native"
    assert choose(taking, JOB, installed, Wishes()).attention == "flash"
    assert choose(taking, JOB, installed, Wishes(speed="fast")).attention == "sage"
    assert (
        choose(taking, JOB, replace(installed, free_bytes=180 * GB), Wishes(dtype="float32")).attention
        == "native"
    )


def test_gpus_are_shared_only_where_the_family_can():
    several = gpu(80, gpus=4)
    able = WAN.model_copy(update={"facts": {"context-parallel": True}})
    assert choose(WAN, JOB, several, Wishes()).devices == 1
    assert choose(able, JOB, several, Wishes()).devices == 4
    assert choose(able, JOB, replace(several, free_bytes=46 * GB), Wishes()).devices == 1


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("speed", ["exact", "balanced"])
def test_stepping_down_ends_after_ever_leaner_plans(speed, int8):
    machine = gpu(100, int8=int8)
    plan = choose(WAN, JOB, machine, Wishes(speed=speed))
    seen = [plan]
    while (leaner := step_down(seen[-1], WAN, JOB, machine)) is not None:
        seen.append(leaner)
    assert [plan.device_bytes for plan in seen] == sorted((p.device_bytes for p in seen), reverse=True)
    assert len({way(plan) for plan in seen}) == len(seen) >= 4
    assert seen[-1].offload in ("group", "sequential")
    stored = [plan.storage for plan in seen]
    assert stored == sorted(stored, reverse=True), "weights that were rounded stay so"
    assert stored[-1] == ("same" if speed == "exact" else "int8" if int8 else "fp8")
    assert {plan.cache for plan in seen} == {plan.cache}
    assert all(step.reasons for step in seen)


def test_tiles_come_where_decoding_is_what_does_not_fit():
    hungry = WAN.model_copy(update={"codec": Codec(still_bytes=39_170, tile=(256, 256))})
    assert way(choose(hungry, JOB, gpu(46), Wishes())) == ("model", False, "same")
    assert way(choose(hungry, JOB, gpu(40), Wishes())) == ("group", True, "same")


def test_a_cpu_needs_twice_as_much_to_decode():
    small = replace(JOB, width=640, height=368)
    codec = WAN.codec
    assert codec is not None
    held = (
        choose(WAN, small, cpu(100), Wishes()).device_bytes
        - choose(WAN, small, gpu(100), Wishes()).device_bytes
    )
    assert held == pytest.approx(decode_bytes(codec, small, "bfloat16"), rel=0.01)


def test_a_codec_without_tiles_is_never_tiled():
    whole = WAN.model_copy(update={"codec": Codec(frame_bytes=100)})
    assert not any(rung.tiled for rung in rungs(whole, gpu(80), "fast"))
    plan = choose(whole, JOB, gpu(46), Wishes())
    assert not plan.vae_tiling
    assert not plan.vae_slicing


def test_only_images_are_sliced():
    images = WAN.model_copy(update={"codec": Codec(frame_bytes=1000, sliced=True)})
    assert choose(images, JOB, gpu(57), Wishes()).vae_slicing
    assert not choose(WAN, JOB, gpu(57), Wishes()).vae_slicing


def test_stepping_down_counts_what_the_call_needs_not_what_was_planned_for():
    machine = gpu(100)
    plan = choose(WAN, replace(JOB, frames=161), machine, Wishes())
    leaner = step_down(plan, WAN, JOB, machine)
    assert leaner is not None
    assert way(leaner) != way(plan)


def test_a_cpu_steps_down_to_tiles_once():
    machine = cpu(100)
    tiled = step_down(choose(WAN, JOB, machine, Wishes()), WAN, JOB, machine)
    assert tiled is not None
    assert tiled.vae_tiling
    assert step_down(tiled, WAN, JOB, machine) is None


def test_a_card_without_parts_is_as_large_as_its_download():
    card = ModelCard(
        id="m",
        tasks=("generate",),
        summary="m",
        licence="m",
        weights=(Weights(repo="a/b", size_bytes=30 * GB), Weights(repo="a/c", size_bytes=10 * GB)),
        codec=Codec(),
    )
    job = replace(JOB, width=64, height=64, frames=1)
    assert choose(card, job, gpu(80), Wishes()).device_bytes == pytest.approx(40 * GB, rel=0.01)
    assert choose(card, job, gpu(30), Wishes()).offload == "group"


def test_reasons_and_summary_are_plain_sentences_with_numbers():
    plan = choose(WAN, JOB, gpu(46), Wishes(speed="balanced"))
    assert all(reason.endswith(".") and "\n" not in reason for reason in plan.reasons)
    assert plan.reasons[1] == (
        "At its fullest the device holds 28.6 GB of weights and 8.7 GB of activations, "
        "which fit in the 40.4 GB that may be used."
    )
    lines = summary(plan)
    assert lines[0].startswith("device    cuda:0, bfloat16")
    assert any("model offload" in line and "first-block" in line for line in lines)
    assert sum(line.startswith("because") for line in lines) == len(plan.reasons)
    assert Plan.of(plan.to_json()) == plan


def test_a_plan_in_brief_is_one_line():
    machine = gpu(46, speed=lambda dtype: 350e12)
    assert brief(choose(WAN, replace(JOB, steps=4), machine, Wishes())) == (
        "cuda:0 in bfloat16, model offload; about 37.2 GB, about 2 min of denoising; --plan says why"
    )
    assert brief(Plan(device="cpu", dtype="bfloat16", storage="int8", device_bytes=4 * GB)) == (
        "cpu in bfloat16, weights held in int8; about 4.0 GB; --plan says why"
    )
