"""Weights come out of a TorchScript archive as its `state_dict` has them, and its program does not run."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from torch import Tensor, nn

from moviola.recognition.torchscript import is_archive, read

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")


class Part(nn.Module):
    """Weights that lie in another order than they are counted in, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
        self.turned = nn.Parameter(torch.randn(4, 2).t())
        self.register_buffer("empty", torch.zeros(0))

    def forward(self, maps: Tensor) -> Tensor:
        return self.inner(maps)


class Program(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Part(), Part()])
        self.sizes = [1, 2]
        self.known = {"a": 1}

    def forward(self, maps: Tensor) -> Tensor:
        for part in self.parts:
            maps = part(maps)
        return maps


def archived(network: nn.Module, file: Path) -> Path:
    torch.jit.script(network).save(str(file))
    return file


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_it_holds_is_what_the_program_has(dtype: torch.dtype, tmp_path: Path) -> None:
    network = Program().to(dtype)
    found = read(archived(network, tmp_path / "film.pt"))
    state = network.state_dict()
    assert list(found) == list(state)
    assert all(torch.equal(found[name], state[name]) and not found[name].requires_grad for name in state)
    assert {tensor.dtype for tensor in found.values()} == {dtype, torch.int64}


def test_an_archive_is_told_from_other_files(tmp_path: Path) -> None:
    torch.save(Program().state_dict(), tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("nothing of the kind")
    assert is_archive(archived(Program(), tmp_path / "program.pt"))
    assert not is_archive(tmp_path / "state.pt")
    assert not is_archive(tmp_path / "text.pt")


def test_nothing_in_it_is_run(tmp_path: Path) -> None:
    # What `torch.jit.load` would compile and what a pickle could call: neither is looked at.
    file, marked = tmp_path / "bad.pt", tmp_path / "ran"
    call = b"cos\nsystem\n(Vtouch " + str(marked).encode() + b"\ntR."
    with ZipFile(file, "w") as archive:
        archive.writestr("bad/constants.pkl", call)
        archive.writestr("bad/code/__torch__/bad.py", "import os; os.system('false')")
        archive.writestr("bad/data.pkl", b"c__torch__.bad\nBad\n)\x81}(Vx\n" + call[:-1] + b"ub.")
    assert is_archive(file)
    assert read(file) == {}
    assert not marked.exists()


def test_a_tensor_larger_than_its_numbers_is_refused(tmp_path: Path) -> None:
    whole = archived(nn.Linear(8, 8), tmp_path / "whole.pt")
    with ZipFile(whole) as source, ZipFile(tmp_path / "cut.pt", "w") as copy:
        for name in source.namelist():
            data = source.read(name)
            copy.writestr(name, data[:32] if name.endswith("/data/0") else data)
    with pytest.raises(RuntimeError, match="out of bounds"):
        read(tmp_path / "cut.pt")
