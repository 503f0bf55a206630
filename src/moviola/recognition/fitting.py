"""The training loop: AdamW under a cosine, measured after every epoch, taken up again where it was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import cos, isfinite, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from moviola.errors import ModelError
from moviola.model import Event, Note, Progress
from moviola.pipeline import prefetched
from moviola.recognition.calibrating import cross_entropy, probabilities
from moviola.recognition.examples import Batch, Examples, in_order, shuffled
from moviola.recognition.judging import top
from moviola.recognition.resuming import Store
from moviola.tasks import Epoch

_WARM_UP = 0.05
"""Share of all steps in which the learning rate rises to its highest."""

_LARGEST = 1.0
"""Norm that gradients are cut to."""

_BEAT = 5.0
"""Seconds between two notes on how it goes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """patience: epochs without a better one after which to stop; 0 for never. batch: clips in a step.

    weights: of the classes in the loss, (classes,); None for the same.
    """

    epochs: int
    batch: int
    patience: int
    seed: int
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that are trained alike. rate: the highest learning rate. decay: of AdamW."""

    parameters: Sequence[nn.Parameter]
    rate: float
    decay: float


@dataclass(frozen=True, slots=True)
class Pupil:
    """What is fitted.

    network: holds all that changes. judge: from a batch to logits (B, classes), on the network's device.
    """

    network: nn.Module
    judge: Callable[[Batch], Tensor]
    groups: Sequence[Group]
    device: torch.device


def groups(parameters: Iterable[nn.Parameter], rate: float, decay: float) -> list[Group]:
    """A network's parameters: matrices and kernels decay, biases and normalizations do not."""
    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    large = [parameter for parameter in wanted if parameter.ndim > 1]
    small = [parameter for parameter in wanted if parameter.ndim <= 1]
    return [Group(some, rate, share) for some, share in ((large, decay), (small, 0.0)) if some]


def fit(
    pupil: Pupil, train: Examples, held: Examples, plan: Plan, store: Store
) -> Generator[Event, None, list[Epoch]]:
    """Train until the end or until nothing gets better; the network is left as it was after its best epoch.

    Every epoch and step has a random state of its own, by the seed: so a training that was interrupted ends
    where one that was not does.
    Raises ModelError where the loss is no number or memory runs out, OutputError where the disk is full.
    """
    optimizer = torch.optim.AdamW(
        [{"params": list(group.parameters), "weight_decay": group.decay} for group in pupil.groups]
    )
    history = store.restore(pupil.network, optimizer)
    if history:
        yield Note(f"going on after epoch {history[-1].number} of an interrupted run")
    told = time.monotonic()
    steps = -(-len(train.targets) // plan.batch)
    while not _over(history, plan):
        done = len(history)
        loss = 0.0
        pupil.network.train()
        batches = prefetched(shuffled(train, plan.batch, np.random.default_rng((plan.seed, done))), ahead=2)
        with closing(batches):
            for place, (views, targets) in enumerate(batches):
                number = done * steps + place
                _set_rates(optimizer, pupil.groups, _share(number, steps * plan.epochs))
                found = _step(pupil, optimizer, views, targets, plan, number)
                if not isfinite(found):
                    raise ModelError(
                        f"the loss became {found} in epoch {done + 1}; try a smaller --learning-rate than "
                        f"{pupil.groups[0].rate:g}"
                    )
                loss += found * len(targets) / len(train.targets)
                yield Progress(done + (place + 1) / steps, plan.epochs, "epochs")
        shares = probabilities(*judged(pupil, held, plan.batch), 1.0)
        history.append(
            Epoch(
                number=done + 1,
                loss=loss,
                held_loss=cross_entropy(shares, held.targets),
                held_top1=top(shares, held.targets, 1),
            )
        )
        store.save(pupil.network, optimizer, history, best_of(history).number)
        if time.monotonic() - told > _BEAT:
            told = time.monotonic()
            yield Note(_told(history[-1], plan))
    best = best_of(history)
    store.take_best(pupil.network, best.number)
    if len(history) < plan.epochs:
        yield Note(
            f"stopped after epoch {len(history)} of {plan.epochs}: none was better than {best.number} "
            f"for {plan.patience}"
        )
    pupil.network.eval()
    return history


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The one with most held-out clips right; of several the one with the least loss."""
    return max(history, key=lambda epoch: (epoch.held_top1, -epoch.held_loss, -epoch.number))


def judged(pupil: Pupil, examples: Examples, size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits of all views (views, classes), and the clip that each is of; `size` views or more at a time."""
    pupil.network.eval()
    logits, clips = [], []
    with torch.no_grad(), _enough_memory(), closing(prefetched(in_order(examples, size))) as batches:
        for views, of in batches:
            logits.append(pupil.judge(views).float().cpu().numpy())
            clips.append(of)
    return np.concatenate(logits), np.concatenate(clips)


def _over(history: Sequence[Epoch], plan: Plan) -> bool:
    if len(history) >= plan.epochs:
        return True
    waited = len(history) - best_of(history).number if history else 0
    return bool(plan.patience) and waited >= plan.patience


def _share(step: int, steps: int) -> float:
    """Of the highest learning rate: a straight rise, then half a cosine down to nearly 0 (Loshchilov, Hutter
    2017, arXiv 1608.03983)."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + cos(pi * (step - warm) / max(1, steps - warm)))


def _set_rates(optimizer: torch.optim.Optimizer, all_groups: Sequence[Group], share: float) -> None:
    for held, group in zip(optimizer.param_groups, all_groups, strict=True):
        held["lr"] = share * group.rate


def _step(
    pupil: Pupil,
    optimizer: torch.optim.Optimizer,
    views: Batch,
    targets: NDArray[np.int64],
    plan: Plan,
    number: int,
) -> float:
    """One step; returns its loss, and leaves the weights alone where that, or the gradient, is no number."""
    devices = [pupil.device] if pupil.device.type == "cuda" else []
    weights = None if plan.weights is None else torch.tensor(plan.weights, dtype=torch.float32)
    # Whoever consumes these events keeps a random state of their own.
    with torch.random.fork_rng(devices), _enough_memory():
        torch.manual_seed((plan.seed * 1_000_003 + number) % 2**63)
        logits = pupil.judge(views).float()
        loss = functional.cross_entropy(
            logits,
            torch.from_numpy(targets).to(logits.device),
            weight=None if weights is None else weights.to(logits.device),
        )
        optimizer.zero_grad(set_to_none=True)
        found = loss.item()
        if not isfinite(found):
            return found
        loss.backward()
        norm = nn.utils.clip_grad_norm_(
            [parameter for group in pupil.groups for parameter in group.parameters], _LARGEST
        )
        if not isfinite(norm.item()):
            return float("nan")
        optimizer.step()
    return found


@contextmanager
def _enough_memory() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise ModelError("the device has too little memory for this; try a smaller --batch") from None


def _told(epoch: Epoch, plan: Plan) -> str:
    return (
        f"epoch {epoch.number} of {plan.epochs}: loss {epoch.loss:.3f}; "
        f"held out {epoch.held_top1:.1f} % right, loss {epoch.held_loss:.3f}"
    )
