"""Where and in which numbers a recognizer runs on this machine, and why."""

from __future__ import annotations

from moviola.card import ModelCard
from moviola.errors import RequestError
from moviola.plan.machine import Machine, this_machine
from moviola.plan.plan import Dtype, Plan


def place(card: ModelCard, device: str | None = None, dtype: Dtype | None = None) -> Plan:
    """The plan for a device and a dtype, or for the best there are where None.

    A card's own dtype is taken where the device computes in it at full speed, float32 elsewhere.
    Raises RequestError for a device that is not there, MissingExtraError without torch.
    """
    machine = this_machine(device)
    if dtype is not None:
        chosen, why = dtype, "as asked"
    else:
        chosen, why = _dtype(card, machine)
    if chosen == "float16" and machine.kind == "cpu":
        raise RequestError("float16 is slower than float32 on a CPU, and less exact; use bfloat16 or float32")
    return Plan(device=machine.device, dtype=chosen, reasons=(f"{machine.name}: {chosen}, {why}",))


def _dtype(card: ModelCard, machine: Machine) -> tuple[Dtype, str]:
    if card.dtype == "float32":
        return "float32", "the model's own"
    if card.dtype == "float16" and machine.kind != "cpu":
        return "float16", "the model's own"
    if machine.bfloat16:
        return "bfloat16", "which this machine multiplies at full speed"
    return "float32", f"as this machine is slow in {card.dtype}"
