"""Checkpoints are read whatever wraps them; what does not fit is named; nothing in them is run."""

import pickle
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch import nn

from moviola.card import ModelCard
from moviola.errors import InputError, OutputError
from moviola.recognition.checkpoint import fill, read, save

CARD = ModelCard(id="x", tasks=("recognize",), summary="A test.", licence="none")


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


STATE = network().state_dict()


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("wrapped", [
    STATE,
    {"model_state": STATE, "epoch": 3, "optimizer_state": {"state": {}}},
    {"state_dict": {f"module.{name}": value for name, value in STATE.items()}, "meta": {"a": [1, 2]}},
    {"module": {"model": STATE}},
    {"model": STATE, "args": Namespace(lr=0.1)},
], ids=["bare", "model_state", "state_dict", "nested", "arguments"])  # fmt: skip
def test_wrappers_of_training_programs_are_looked_through(wrapped, tmp_path):
    torch.save(wrapped, tmp_path / "weights.pth")
    found, own = read(tmp_path / "weights.pth")
    assert same(found)
    assert not own


@pytest.mark.parametrize("own", [True, False])
def test_what_is_saved_is_read_and_says_whose_names_it_has(own, tmp_path):
    save(STATE, tmp_path / "deep" / "model.safetensors", own=own)
    found, said = read(tmp_path / "deep")
    assert same(found)
    assert said is own
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model.safetensors"]


def test_shards_are_one_checkpoint(tmp_path):
    for number, name in enumerate(STATE):
        save({name: STATE[name]}, tmp_path / f"model-{number}.safetensors", own=False)
    assert same(read(tmp_path)[0])


def test_a_folder_with_two_pickles_asks_for_the_file(tmp_path):
    for name in ("a.pth", "b.pth"):
        torch.save(STATE, tmp_path / name)
    with pytest.raises(InputError, match=r"there is a\.pth, b\.pth; name the file"):
        read(tmp_path)


def test_of_several_checkpoints_the_named_one_is_read(tmp_path):
    for name, scale in (("small/a.pth", 1), ("large/a.pth", 2)):
        (tmp_path / name).parent.mkdir()
        torch.save({"weight": torch.full((1,), float(scale))}, tmp_path / name)
    assert read(tmp_path, ["large/*.pth"])[0]["weight"] == 2


@pytest.mark.parametrize("name", ["weights.pth", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"\x80\x02"])
def test_damage_is_told_in_one_line(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_damage(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged or no checkpoint"):
        read(path)


class History:
    """As training programs keep beside their weights."""

    def __init__(self):
        self.values = [1.0, 2.0]


def test_objects_of_a_training_program_are_passed_over(tmp_path):
    torch.save({"state_dict": STATE, "history": {"loss": History()}}, tmp_path / "epoch_3.pth")
    assert same(read(tmp_path / "epoch_3.pth")[0])


@pytest.mark.parametrize("zipped", [True, False])
def test_both_of_torchs_formats_are_read(zipped, tmp_path):
    torch.save(STATE, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    assert same(read(tmp_path / "weights.pth")[0])


def test_halves_and_parameters_are_read_as_they_are(tmp_path):
    kept = {"a": torch.ones(3, dtype=torch.bfloat16), "b": nn.Parameter(torch.ones(2, dtype=torch.float16))}
    torch.save(kept, tmp_path / "weights.pth")
    found, _ = read(tmp_path / "weights.pth")
    assert [found["a"].dtype, found["b"].dtype] == [torch.bfloat16, torch.float16]


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


def test_code_in_a_pickle_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "evil.pth").open("wb") as file:
        pickle.dump({"model": Trap()}, file)
    torch.save({"model": STATE, "trap": Trap()}, tmp_path / "worse.pth")
    with pytest.raises(InputError):
        read(tmp_path / "evil.pth")
    assert same(read(tmp_path / "worse.pth")[0])
    assert not (tmp_path / "sprung").exists()


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save([1, 2, 3], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds a list"):
        read(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(InputError, match="holds no weights"):
        read(tmp_path / "empty.pth")


def test_a_checkpoint_fills_the_network(tmp_path):
    filled = network()
    fill(filled, STATE, CARD, tmp_path)
    assert same(filled.state_dict())


@pytest.mark.parametrize(("state", "told"), [
    ({name: value for name, value in STATE.items() if name != "0.bias"}, "lacks 0.bias"),
    (STATE | {"0.weight": torch.zeros(5, 2)}, r"0.weight has shape \(5, 2\), not \(3, 2\)"),
    (STATE | {"2.weight": torch.zeros(1)}, "has 2.weight, which the network does not know"),
])  # fmt: skip
def test_the_first_wrong_entry_is_named(state, told, tmp_path):
    with pytest.raises(InputError, match=told):
        fill(network(), state, CARD, tmp_path)


def test_a_disk_that_does_not_take_it_is_told(tmp_path):
    (tmp_path / "model.safetensors").mkdir()
    (tmp_path / "model.safetensors" / "x").touch()
    with pytest.raises(OutputError, match="cannot write"):
        save(STATE, tmp_path / "model.safetensors", own=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
