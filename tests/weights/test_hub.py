"""Weights come from the Hub whole and unharmed, once, at one commit; and are found again without it."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fake_hub import Hub, Repo, closed_port, environment, point_at, serve
from moviola import weights
from moviola.card import ModelCard, Weights
from moviola.errors import InputError, MissingExtraError, OutputError
from moviola.model import Note, Progress
from pulls import card, flip, one_line, pulled

FIRST, SECOND = "1" * 40, "2" * 40


def film() -> Repo:
    return Repo(
        [FIRST],
        {
            "model_index.json": b'{"_class_name": "Acme"}',
            "transformer/model.safetensors": os.urandom(300_000),
            "vae/model.safetensors": os.urandom(200_000),
            "vae/model.bin": b"a pickle",
        },
    )


def needed(repo: Repo) -> int:
    """How many bytes of it are pulled."""
    return sum(len(content) for name, content in repo.files.items() if not name.endswith(".bin"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve() as hub:
        point_at(hub.url, cache, monkeypatch)
        hub.repos["acme/film"] = film()
        yield hub


class TestPull:
    def test_brings_every_file_but_pickles(self, hub):
        _, (folder,) = pulled(card())
        for name, content in hub.repos["acme/film"].files.items():
            if name.endswith(".bin"):
                assert not (folder / name).exists()
            else:
                assert (folder / name).read_bytes() == content

    def test_brings_only_what_the_card_names_where_it_names_files(self, hub):
        _, (folder,) = pulled(card(Weights(repo="acme/film", files=("*.json", "vae/*.bin"))))
        here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert here == {"model_index.json", "vae/model.bin"}

    def test_brings_every_repository_of_the_card_in_its_order(self, hub):
        hub.repos["acme/text"] = Repo([SECOND], {"text.safetensors": b"words"})
        _, both = pulled(card(Weights(repo="acme/film"), Weights(repo="acme/text")))
        assert [folder.name for folder in both] == [FIRST, SECOND]
        assert (both[1] / "text.safetensors").read_bytes() == b"words"

    def test_tells_the_bytes_it_has_of_those_it_needs(self, hub):
        hub.slow = 0.1  # every 64 KiB: one file takes half a second, the other a whole one
        hub.repos["acme/film"].files["transformer/model.safetensors"] = os.urandom(600_000)
        events, _ = pulled(card())
        first_note = next(i for i, e in enumerate(events) if isinstance(e, Note))
        second_note = next(i for i, e in enumerate(events) if isinstance(e, Note) and i > first_note)
        steps = [e for e in events[first_note:second_note] if isinstance(e, Progress)]
        size = needed(hub.repos["acme/film"])
        assert {(step.total, step.unit) for step in steps} == {(size, "bytes")}
        done = [step.done for step in steps]
        assert done == sorted(done)
        assert done[0] < done[-1] == size
        assert len(set(done)) > 2, "nothing was told between the beginning and the end"

    def test_counts_what_was_here_before(self, hub):
        _, (folder,) = pulled(card())
        (folder / "vae/model.safetensors").resolve().unlink()
        events, _ = pulled(card())
        first = next(event for event in events if isinstance(event, Progress))
        assert first.done >= 300_000

    def test_asks_nobody_where_everything_is_here(self, hub):
        _, before = pulled(card())
        hub.asked.clear()
        events, after = pulled(card())
        assert (after, events, hub.asked) == (before, [], [])

    def test_fetches_only_what_is_missing(self, hub):
        _, (folder,) = pulled(card())
        (folder / "vae/model.safetensors").unlink()
        (folder / "model_index.json").resolve().write_bytes(b"cut")
        hub.asked.clear()
        pulled(card())
        assert "transformer/model.safetensors" not in hub.fetched()
        assert weights.folders(card()) == (folder,)
        assert (folder / "model_index.json").read_bytes() == hub.repos["acme/film"].files["model_index.json"]

    def test_stays_at_the_commit_that_was_pulled_first(self, hub, cache):
        _, (folder,) = pulled(card())
        hub.repos["acme/film"].commits.append(SECOND)
        (cache / "models--acme--film" / "refs" / "main").write_text(SECOND)  # as another program would
        assert weights.folders(card()) == (folder,)
        (folder / "vae/model.safetensors").unlink()
        _, again = pulled(card())
        assert again == (folder,)

    def test_a_revision_of_its_own_is_a_commit_of_its_own(self, hub):
        hub.repos["acme/film"].commits.append(SECOND)
        _, (at_first,) = pulled(card(Weights(repo="acme/film", revision=FIRST)))
        _, (at_main,) = pulled(card())
        assert (at_first.name, at_main.name) == (FIRST, SECOND)

    def test_goes_on_where_the_connection_broke(self, hub):
        name, size = "transformer/model.safetensors", 12 * 2**20  # it comes in pieces of 10 MiB
        content = hub.repos["acme/film"].files[name] = os.urandom(size)
        hub.cut[name] = size - 1
        _, (folder,) = pulled(card())
        first, second = [r for method, path, r in hub.asked if method == "GET" and path.endswith(name)]
        assert first is None
        assert 0 < int(second.removeprefix("bytes=").rstrip("-")) < size
        assert (folder / name).read_bytes() == content

    def test_stops_soon_when_closed_and_keeps_what_is_finished(self, hub):
        hub.repos["acme/film"].files["transformer/model.safetensors"] = os.urandom(30 * 2**20)
        hub.slow = 0.005
        work = weights.pull(card())
        for event in work:
            if isinstance(event, Progress) and event.done > 200_000:
                break
        work.close()
        held = weights.on_disk(card())
        assert held is not None
        assert not held.complete
        assert held.bytes >= 200_000
        assert weights.folders(card()) is None
        hub.slow = 0
        hub.asked.clear()
        pulled(card())
        assert set(hub.fetched()) == {"transformer/model.safetensors"}

    def test_what_arrives_spoilt_is_removed_and_comes_anew(self, hub):
        hub.spoilt.add("vae/model.safetensors")
        with one_line(InputError, "vae/model.safetensors", "acme/film", "moviola pull acme"):
            pulled(card())
        assert weights.folders(card()) is None
        hub.spoilt.clear()
        _, (folder,) = pulled(card())
        assert (folder / "vae/model.safetensors").read_bytes() == hub.repos["acme/film"].files[
            "vae/model.safetensors"
        ]

    @pytest.mark.parametrize("name", ["vae/model.safetensors", "model_index.json"])
    def test_verify_finds_what_was_spoilt_on_disk(self, hub, name):
        _, (folder,) = pulled(card())
        pulled(card(), verify=True)
        flip(folder / name)
        assert weights.folders(card()) == (folder,), "only a hash can tell"
        with one_line(InputError, name):
            pulled(card(), verify=True)
        pulled(card())
        assert (folder / name).read_bytes() == hub.repos["acme/film"].files[name]

    def test_removes_every_spoilt_file_at_once(self, hub):
        _, (folder,) = pulled(card())
        flip(folder / "vae/model.safetensors")
        flip(folder / "transformer/model.safetensors")
        with one_line(InputError, "and 1 more"):
            pulled(card(), verify=True)
        pulled(card())
        pulled(card(), verify=True)


class TestRefusals:
    def test_a_licence_that_has_to_be_accepted(self, hub):
        hub.repos["acme/film"].gated = True
        with one_line(InputError, "Acme Licence", "https://huggingface.co/acme/film", "hf auth login"):
            pulled(card())

    def test_a_repository_that_is_not_there(self, hub):
        with one_line(InputError, "no repository https://huggingface.co/acme/none"):
            pulled(card(Weights(repo="acme/none")))

    def test_a_revision_that_is_not_there(self, hub):
        with one_line(InputError, "https://huggingface.co/acme/film/tree/v9"):
            pulled(card(Weights(repo="acme/film", revision="v9")))

    def test_a_pinned_commit_that_the_hub_forgot(self, hub, cache):
        _, (folder,) = pulled(card())
        (folder / "vae/model.safetensors").unlink()
        hub.repos["acme/film"].commits = [SECOND]
        with one_line(InputError, FIRST, "is gone", str(cache / "models--acme--film")):
            pulled(card())

    def test_a_repository_without_the_files_the_card_names(self, hub):
        with one_line(InputError, "https://huggingface.co/acme/film/tree/", "*.gguf"):
            pulled(card(Weights(repo="acme/film", files=("*.gguf",))))

    def test_no_network(self, hub, cache, monkeypatch):
        nobody = closed_port()
        point_at(nobody, cache, monkeypatch)
        with one_line(InputError, f"no network to {nobody}", "moviola pull acme"):
            pulled(card())

    def test_no_room(self, hub, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
        with one_line(OutputError, "0.5 MB", "0.0 MB free", "HF_HUB_CACHE"):
            pulled(card())
        assert hub.fetched() == []

    def test_a_disk_that_fills_up_on_the_way(self, hub, monkeypatch):
        def full(*args, **options):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("huggingface_hub.snapshot_download", full)
        with one_line(OutputError, "full", "moviola pull acme"):
            pulled(card())

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
    def test_a_cache_that_cannot_be_written(self, hub, cache):
        cache.mkdir()
        cache.chmod(0o500)
        with one_line(OutputError, "cannot write"):
            pulled(card())

    def test_no_huggingface_hub(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        with one_line(MissingExtraError, "moviola[local]"):
            pulled(card())
        assert weights.folders(card()) is None
        assert weights.on_disk(card()) is None


class TestOffline:
    """Another process with HF_HUB_OFFLINE=1 and a hub that nobody answers for."""

    CODE = """
from moviola import weights
from moviola.card import ModelCard, Weights
from moviola.errors import InputError
card = ModelCard(id="acme", tasks=("generate",), summary="", licence="", weights=(Weights(repo="acme/film"),))
try:
    for event in weights.pull(card):
        print(event)
except InputError as error:
    print(error)
print(*weights.folders(card) or ["nothing"])
"""

    def run(self, cache: Path) -> str:
        surroundings = os.environ | environment(closed_port(), cache) | {"HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", self.CODE], env=surroundings, capture_output=True, text=True, check=True
        )
        return done.stdout

    def test_what_is_here_is_used(self, hub, cache):
        _, (folder,) = pulled(card())
        assert self.run(cache) == f"{folder}\n"

    def test_what_is_not_here_is_not_looked_for(self, cache):
        text = self.run(cache)
        assert text.splitlines()[-1] == "nothing"
        assert len(text.splitlines()) == 2
        assert "HF_HUB_OFFLINE" in text
        assert "moviola pull acme" in text


class TestOnDisk:
    def test_nothing(self, hub):
        assert weights.on_disk(card()) is None
        assert weights.folders(card()) is None

    def test_all(self, hub):
        pulled(card())
        size = needed(hub.repos["acme/film"])
        assert weights.on_disk(card()) == weights.OnDisk(size, True, (FIRST,))

    def test_one_repository_of_two(self, hub):
        pulled(card())
        held = weights.on_disk(card(Weights(repo="acme/film"), Weights(repo="acme/text")))
        assert held is not None
        assert (held.complete, held.revisions) == (False, (FIRST,))

    def test_is_told_without_the_network(self, hub):
        pulled(card())
        hub.asked.clear()
        weights.on_disk(card())
        weights.folders(card())
        assert hub.asked == []

    def test_what_another_program_downloaded_is_found(self, hub):
        from huggingface_hub import snapshot_download

        folder = snapshot_download("acme/film")
        assert weights.folders(card()) == (Path(folder),)

    def test_a_repository_without_the_files_the_card_names_is_not_here(self, hub):
        pulled(card())
        assert weights.folders(card(Weights(repo="acme/film", files=("*.gguf",)))) is None

    def test_a_model_without_weights_lies_nowhere(self):
        assert weights.folders(ModelCard(id="flow", tasks=(), summary="", licence="")) == ()

    def test_the_cache_stays_in_order_for_other_programs(self, hub, cache):
        from huggingface_hub import scan_cache_dir

        pulled(card())
        report = scan_cache_dir(cache)
        assert not report.warnings
        (repository,) = report.repos
        assert repository.repo_id == "acme/film"
        assert "moviola/main" in repository.refs
