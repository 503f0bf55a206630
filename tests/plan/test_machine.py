import pytest

pytest.importorskip("torch")

from moviola.errors import RequestError
from moviola.plan.machine import container_limits, this_machine


def test_the_cpu_is_always_there():
    machine = this_machine("cpu")
    assert (machine.device, machine.kind) == ("cpu", "cpu")
    assert 0 < machine.free_bytes <= machine.total_bytes
    assert machine.host_bytes == machine.free_bytes
    assert "cores" in machine.name


def test_the_default_is_a_device_that_is_there():
    assert this_machine(this_machine().device).device == this_machine().device


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "gpu", ""])
def test_a_device_that_is_not_there_is_named_with_those_that_are(device):
    with pytest.raises(RequestError) as caught:
        this_machine(device)
    assert repr(device) in str(caught.value)
    assert "cpu" in str(caught.value)


def test_speed_is_measured_once():
    machine = this_machine("cpu")
    first = machine.speed("float32")
    assert first is not None
    assert 1e8 < first < 1e15
    assert this_machine("cpu").speed("float32") == first


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def membership(folder, text):
    path = folder / "membership"
    path.write_text(text)
    return path


def test_a_containers_limit_counts_with_those_around_it(tmp_path):
    root = tmp_path / "cgroup"
    group(
        root / "outer", memory__max="8000", memory__current="3000", memory__stat="anon 1\ninactive_file 500\n"
    )
    group(root / "outer" / "inner", memory__max="max", memory__current="100")
    own = membership(tmp_path, "0::/outer/inner\n")
    assert container_limits(root, own) == [(8000, 5500)]


def test_inside_of_a_container_its_group_is_the_root(tmp_path):
    root = tmp_path / "cgroup"
    group(root, memory__max="4000", memory__current="5000")
    assert container_limits(root, membership(tmp_path, "0::/not/mounted\n")) == [(4000, 0)]


def test_the_first_version_of_control_groups(tmp_path):
    root = tmp_path / "cgroup"
    group(
        root / "memory" / "job",
        memory__limit_in_bytes="9000",
        memory__usage_in_bytes="4000",
        memory__stat="inactive_file 1\ntotal_inactive_file 1000\n",
    )
    own = membership(tmp_path, "5:cpu:/job\n4:memory:/job\n0::/\n")
    assert container_limits(root, own) == [(9000, 6000)]


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert container_limits(tmp_path, tmp_path / "absent") == []
