"""What is done of a training, on disk after every epoch, so that the same command goes on from there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from moviola.errors import OutputError
from moviola.recognition.checkpoint import read, save
from moviola.tasks import Epoch

_STATE = "state.pt"


class Store:
    """The state of a training in a folder.

    identity: what makes two trainings the same; what another one left is not taken up.
    resumed: epochs that were.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._identity = folder, identity
        self.resumed = 0
        folder.mkdir(parents=True, exist_ok=True)

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> list[Epoch]:
        """Bring both to where the last finished epoch left them, and return the epochs so far."""
        file = self._folder / _STATE
        if not file.exists():
            return []
        # Written whole by `save`, so what cannot be read is a broken disk, and torch's own error says more.
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        if state["identity"] != self._identity:
            return []
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        history = [Epoch.model_validate(epoch) for epoch in state["history"]]
        self.resumed = len(history)
        return history

    def save(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, history: list[Epoch], best: int
    ) -> None:
        """Keep the state after an epoch, and the weights apart where it is the best. Raises OutputError."""
        if history[-1].number == best:
            save(network.state_dict(), self._best(best), own=True)
        state = {
            "identity": self._identity,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": [epoch.model_dump() for epoch in history],
        }
        part = self._folder / f".{_STATE}.part"
        try:
            with part.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / _STATE)
        except (OSError, RuntimeError) as error:
            # torch's own writer tells of a full disk with a RuntimeError.
            raise OutputError(f"cannot write {self._folder / _STATE}: {error}") from error
        for file_of_best in self._folder.glob("best-*.safetensors"):
            if file_of_best != self._best(best):
                file_of_best.unlink()

    def take_best(self, network: nn.Module, best: int) -> None:
        """Fill a network with the weights after the best epoch."""
        state, _ = read(self._best(best))
        network.load_state_dict(state)

    def _best(self, number: int) -> Path:
        return self._folder / f"best-{number}.safetensors"
