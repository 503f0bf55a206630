"""Chooses how a model that answers questions is held: the plainest way that fits, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from moviola.card import ModelCard
from moviola.errors import InputError
from moviola.plan.choose import LEAF_SHARE_OF_TEXT, dtype_of, gb, room_of
from moviola.plan.cost import ITEM_BYTES, part_bytes
from moviola.plan.machine import Machine
from moviola.plan.plan import Dtype, Offload, Plan, Storage, Wishes

WORK = 15
"""Numbers that reading a prompt holds for each token and channel (see `width_of`), beside weights and the
cache. `benchmarks/speaking.py` counts 11.9 for Llama 7B, 13.7 for Mistral 7B, 12.3 for Qwen3 8B, 12.4 for
Qwen2 0.5B and 14.8 for Qwen2.5 3B."""


TALK = 8192
"""Tokens that a plan leaves room for at least, and that a batch of questions holds at most: some 60 frames
and an answer."""


@dataclass(frozen=True, slots=True)
class _Rung:
    storage: Storage
    offload: Offload


def speaking_bytes(card: ModelCard, tokens: int, dtype: Dtype) -> float:
    """What a talk of so many tokens holds beside the weights: the cache, and the work on the prompt."""
    facts = card.understanding
    assert facts is not None, f"{card.id} answers no questions"
    cache = 2 * facts.layers * facts.key_width
    return tokens * (cache + WORK * width_of(card)) * ITEM_BYTES[dtype]


def width_of(card: ModelCard) -> float:
    """Channels of the language model, about: its layers have 12 width² parameters, more or less."""
    facts = card.understanding
    assert facts is not None
    language = sum(part.parameters for part in card.parts if part.role == "text")
    return float((language / (12 * facts.layers)) ** 0.5)


def choose_speaker(card: ModelCard, tokens: int, machine: Machine, wishes: Wishes) -> Plan:
    """The first that fits: whole, in int8, or layer by layer from the host's memory.

    tokens: of the longest talk. int8 rounds each weight by less than 0.4 % of its row's largest; a reason of
    the plan says so. Raises InputError, with the numbers, where nothing fits.
    """
    dtype, why = dtype_of(card, machine, wishes)
    room = room_of(machine, wishes.memory)
    work = speaking_bytes(card, tokens, dtype)
    for rung in _rungs(machine):
        weights = sum(part_bytes(card, part, dtype, rung.storage) for part in card.parts)
        held = weights * (LEAF_SHARE_OF_TEXT if rung.offload == "sequential" else 1.0)
        read = sum(part_bytes(card, part, dtype) for part in card.parts)
        host = read if machine.kind == "cuda" or rung.storage == "same" else max(read, weights)
        if held + work <= room and host <= machine.host_bytes:
            return Plan(
                device=machine.device,
                dtype=dtype,
                offload=rung.offload,
                storage=rung.storage,
                device_bytes=round(held + work),
                host_bytes=round(host),
                reasons=(f"{machine.name}, {dtype}: {why}", *_why(rung, held, work, room)),
            )
    needed = sum(part_bytes(card, part, dtype) for part in card.parts)
    raise InputError(
        f"{card.id} needs {gb(needed)} for its weights in {dtype} and {gb(work)} for {tokens} tokens, "
        f"and may use {gb(max(0.0, room))} of {machine.device}'s memory and {gb(machine.host_bytes)} of the "
        "host's; choose a smaller model, fewer frames or another device"
    )


def told(plan: Plan) -> list[str]:
    """What a user should know of a plan: where it runs, and what is not as it was published."""
    lean = plan.storage != "same" or plan.offload != "none"
    return [f"runs on {plan.reasons[0]}", *(plan.reasons[2:] if lean else ())]


def _rungs(machine: Machine) -> Iterator[_Rung]:
    yield _Rung("same", "none")
    if machine.int8:
        yield _Rung("int8", "none")
    if machine.kind == "cuda":
        yield _Rung("same", "sequential")


def _why(rung: _Rung, held: float, work: float, room: float) -> Iterator[str]:
    yield f"{gb(held)} of weights and {gb(work)} for the talk fit in the {gb(room)} that may be used."
    if rung.storage == "int8":
        yield "Weights of linear layers are held in int8, in 255 steps for each row, as more does not fit."
    if rung.offload == "sequential":
        yield "Layers come from the host's memory one after the other, as all together do not fit: slow."
