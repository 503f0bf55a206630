"""Every card says enough to plan with, and what is planned for machines that people have makes sense."""

import re

import pytest

from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.plan.choose import brief, choose
from moviola.plan.machine import Machine
from moviola.plan.plan import Job, Plan, Wishes
from moviola.registry import cards

GB = 10**9
CARDS = [card for card in cards() if card.denoiser is not None]


def gpu(gigabytes: int) -> Machine:
    return Machine("cuda:0", "GPU", "cuda", gigabytes * GB, gigabytes * GB, 96 * GB, bfloat16=True, fp8=True)


CPU = Machine("cpu", "CPU", "cpu", 64 * GB, 64 * GB, 64 * GB, bfloat16=True)
MACHINES = {"24 GB": gpu(24), "80 GB": gpu(80), "CPU": CPU}


def native(card: ModelCard) -> Job:
    """What is made where nothing is asked."""
    asked = card.native
    assert asked is not None
    width, height = asked.size
    frames = min(asked.frames, card.limits.max_frames or asked.frames)
    return Job(width, height, frames, asked.steps, guided=(asked.guidance or 0) > 1)


def planned(name: str, machine: Machine) -> Plan:
    (card,) = (card for card in CARDS if card.id == name)
    return choose(card, native(card), machine, Wishes())


def test_there_are_cards_of_every_family_on_diffusers():
    assert {re.split(r"[\d.-]", card.id)[0] for card in CARDS} >= {
        *("cogvideox", "wan", "lucy", "ltx", "mochi", "hunyuanvideo", "framepack"),
        *("skyreels", "svd", "animatediff"),
    }


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_card_says_what_a_pass_and_decoding_cost(card):
    assert {part.role for part in card.parts} >= {"denoiser", "codec"}
    assert card.codec is not None
    assert card.codec.still_bytes + card.codec.frame_bytes > 0
    net = card.denoiser
    assert net is not None
    assert 1 <= net.batch <= net.passes
    if net.macs_per_pixel:
        assert net.token_bytes is not None
    else:
        weights = max(part.parameters for part in card.parts if part.role == "denoiser")
        assert 0.25 * weights < net.token_parameters < weights
        assert net.layers > 0
        assert net.width > 0


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_plan_fits_or_is_refused_in_one_line(card, machine):
    smallest = min(part.parameters for part in card.parts if part.role == "denoiser")
    try:
        plan = choose(card, native(card), machine, Wishes())
    except InputError as error:
        text = str(error)
        assert "\n" not in text
        assert re.search(r"needs [\d.]+ GB .* may use [\d.]+ GB; (.* would fit|choose a smaller)", text)
        return
    assert 0 < plan.device_bytes < machine.free_bytes
    assert plan.host_bytes < machine.host_bytes
    if plan.offload == "none":
        assert plan.device_bytes > 2 * smallest
    assert brief(plan).startswith(f"{machine.device} in {plan.dtype}")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_every_model_runs_on_a_large_gpu(card):
    assert choose(card, native(card), gpu(80), Wishes()).offload in ("none", "model")


@pytest.mark.parametrize(
    ("name", "gigabytes", "offload"),
    [
        ("wan2.1-t2v-1.3b", 24, "none"),
        ("wan2.1-t2v-14b", 24, "group"),
        ("wan2.1-t2v-14b", 80, "none"),
        ("wan2.2-t2v-a14b", 80, "model"),
        ("cogvideox-5b", 12, "group"),
        ("cogvideox-5b", 24, "model"),
        ("cogvideox-5b", 80, "none"),
        ("ltx-2b-0.9.1", 12, "model"),
        ("svd-xt", 24, "none"),
        ("animatediff-v1-5-2", 12, "none"),
    ],
)
def test_what_is_known_to_fit_does(name, gigabytes, offload):
    assert planned(name, gpu(gigabytes)).offload == offload


def test_guidance_that_is_told_to_the_network_costs_no_second_pass():
    costs = {card.id: card.denoiser.passes for card in CARDS if card.denoiser}
    assert costs["hunyuanvideo"] == costs["framepack-i2v"] == 1
    assert costs["hunyuanvideo1.5-480p-t2v"] == costs["wan2.1-t2v-14b"] == 2
    assert costs["ltx2-19b"] == 4


TRANSFORMERS = {
    "cogvideox": "CogVideoXTransformer3DModel",
    "wan2": "WanTransformer3DModel",
    "wan-vace": "WanVACETransformer3DModel",
    "lucy": "WanTransformer3DModel",
    "ltx-": "LTXVideoTransformer3DModel",
    "ltx2": "LTX2VideoTransformer3DModel",
    "mochi": "MochiTransformer3DModel",
    "hunyuanvideo-": "HunyuanVideoTransformer3DModel",
    "hunyuanvideo1.5": "HunyuanVideo15Transformer3DModel",
    "framepack": "HunyuanVideoFramepackTransformer3DModel",
    "skyreels": "SkyReelsV2Transformer3DModel",
    "svd": "UNetSpatioTemporalConditionModel",
    "animatediff": "UNetMotionModel",
}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_gpus_share_a_call_where_diffusers_knows_how_to(card):
    diffusers = pytest.importorskip("diffusers")
    (kind,) = {kind for prefix, kind in TRANSFORMERS.items() if f"{card.id}-".startswith(prefix)}
    knows = getattr(getattr(diffusers, kind), "_cp_plan", None) is not None
    assert card.facts.get("context-parallel", False) == knows
