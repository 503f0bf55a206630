"""How a model that answers questions is held: whole, rounded, or layer by layer."""

from dataclasses import replace

import pytest

from moviola.card import ModelCard, Part, Understanding
from moviola.errors import InputError
from moviola.plan.machine import Machine
from moviola.plan.plan import Wishes
from moviola.plan.speaking import choose_speaker, speaking_bytes, width_of

CARD = ModelCard(
    id="speaker-8b",
    tasks=("ask",),
    summary="Speaks.",
    licence="MIT",
    understanding=Understanding(frames=8, max_frames=8, context=8192, layers=36, key_width=1024),
    parts=(
        Part(name="vision", parameters=600_000_000, role="image"),
        Part(name="language", parameters=8_200_000_000, role="text"),
    ),
)
GPU = Machine(
    device="cuda:0",
    name="a card",
    kind="cuda",
    total_bytes=80 * 10**9,
    free_bytes=80 * 10**9,
    host_bytes=64 * 10**9,
    bfloat16=True,
    int8=True,
)
CPU = replace(GPU, device="cpu", kind="cpu", name="a processor", free_bytes=64 * 10**9)


def plan(machine, tokens=8192, **wishes):
    return choose_speaker(CARD, tokens, machine, Wishes(**wishes))


def test_a_model_that_fits_is_held_as_it_is():
    chosen = plan(GPU)
    assert (chosen.storage, chosen.offload, chosen.dtype) == ("same", "none", "bfloat16")
    assert chosen.device_bytes == pytest.approx(8.8e9 * 2 + speaking_bytes(CARD, 8192, "bfloat16"))


def test_one_that_does_not_is_rounded_and_says_so():
    chosen = plan(replace(GPU, free_bytes=16 * 10**9))
    assert chosen.storage == "int8"
    assert any("int8" in reason for reason in chosen.reasons)
    assert plan(replace(CPU, free_bytes=16 * 10**9, host_bytes=32 * 10**9)).storage == "int8"


def test_layers_come_one_by_one_where_even_that_is_too_much():
    chosen = plan(replace(GPU, free_bytes=9 * 10**9))
    assert (chosen.storage, chosen.offload) == ("same", "sequential")
    assert any("slow" in reason for reason in chosen.reasons)
    # Nothing is rounded without what rounds.
    assert plan(replace(GPU, free_bytes=16 * 10**9, int8=False)).offload == "sequential"


def test_what_fits_in_no_way_is_refused_with_numbers():
    with pytest.raises(InputError, match=r"needs 17\.6 GB for its weights in bfloat16 and .* tokens"):
        plan(replace(CPU, free_bytes=4 * 10**9, host_bytes=4 * 10**9))


def test_a_longer_talk_needs_more_of_which_the_cache_is_exact():
    per_token = speaking_bytes(CARD, 1, "bfloat16")
    assert speaking_bytes(CARD, 1000, "bfloat16") == pytest.approx(1000 * per_token)
    assert per_token > 2 * 36 * 1024 * 2
    assert speaking_bytes(CARD, 1, "float32") == pytest.approx(2 * per_token)


def test_the_width_is_about_that_of_the_language_model():
    # Qwen3 8B has 4096 channels.
    assert width_of(CARD) == pytest.approx(4096, rel=0.1)
