"""A file comes from its address whole and unharmed, once, in as many pieces as the network makes of it."""

import errno
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import fake_hub
from fake_hub import Repo, closed_port, point_at
from fake_web import Web, serve
from moviola import weights
from moviola.card import ModelCard, Weights
from moviola.errors import InputError, OutputError
from moviola.model import Note, Progress
from moviola.weights import part, transfer
from pulls import card, flip, one_line, pulled

PATH = "/zoo/x3d_m.pyth"
SIZE = 500_000
BEGUN = 200_000
"""After how many bytes the connection breaks."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOVIOLA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def web(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(transfer, "PAUSES", (0.0, 0.0, 0.0))
    with serve() as web:
        web.files[PATH] = os.urandom(SIZE)
        yield web


def at(web: Web, path: str = PATH, **fields) -> ModelCard:
    return card(Weights(url=web.url + path, **fields))


def file_of(of: ModelCard) -> Path:
    (folder,) = weights.folders(of)
    (file,) = (path for path in folder.iterdir() if path.name != "origin.json")
    return file


def halted(web: Web, of: ModelCard) -> None:
    """Pull until the connection has broken as often as is borne, after the first `BEGUN` bytes."""
    web.cut[PATH] = [BEGUN, 0, 0, 0]
    with one_line(InputError):
        pulled(of)
    web.asked.clear()


def stopped(web: Web, of: ModelCard) -> None:
    """Pull, and close the work when something has come."""
    web.slow = 0.05
    work = weights.pull(of)
    next(event for event in work if isinstance(event, Progress) and event.done >= 2**16)
    work.close()
    web.slow = 0
    web.asked.clear()


def part_files(cache: Path) -> list[Path]:
    return list(cache.rglob("*.part"))


class TestPull:
    def test_brings_the_file_to_a_folder_of_its_own(self, web, cache):
        _, (folder,) = pulled(at(web))
        assert cache in folder.parents
        assert sorted(path.name for path in folder.iterdir()) == ["origin.json", "x3d_m.pyth"]
        assert (folder / "x3d_m.pyth").read_bytes() == web.files[PATH]
        assert weights.folders(at(web)) == (folder,)

    def test_without_a_wish_it_lies_in_the_user_s_cache(self, web, tmp_path, monkeypatch):
        monkeypatch.delenv("MOVIOLA_CACHE")
        monkeypatch.setattr("moviola.weights.record.user_cache_dir", lambda *_, **__: str(tmp_path / "user"))
        _, (folder,) = pulled(at(web))
        assert tmp_path / "user" / "weights" / "127.0.0.1" in folder.parents

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/s/abc/TimeSformer.pyth?dl=1", "TimeSformer.pyth"),
            ("/two%20words.pth", "two_words.pth"),
            ("/a/..%2F..%2Fescape.pth", "escape.pth"),
            ("/a/..%5C.pth", "_.pth"),
            ("/", "weights"),
        ],
    )
    def test_names_it_as_its_address_does_as_far_as_a_disk_can(self, web, path, name):
        web.files[path] = b"weights"
        pulled(at(web, path))
        assert file_of(at(web, path)).name == name

    def test_two_files_of_one_name_stay_apart(self, web):
        web.files |= {"/k400/net.pth": b"one", "/k600/net.pth": b"other", "/k600/net.pth?v=2": b"third"}
        cards = [at(web, path) for path in ("/k400/net.pth", "/k600/net.pth", "/k600/net.pth?v=2")]
        for each in cards:
            pulled(each)
        assert [file_of(each).read_bytes() for each in cards] == [b"one", b"other", b"third"]

    def test_follows_where_the_file_has_moved(self, web):
        web.moved["/releases/net.pth"] = f"{web.url}{PATH}"
        pulled(at(web, "/releases/net.pth"))
        file = file_of(at(web, "/releases/net.pth"))
        assert (file.name, file.read_bytes()) == ("net.pth", web.files[PATH])

    def test_tells_the_bytes_it_has_of_those_it_needs(self, web):
        web.slow = 0.1  # every 64 KiB: the file takes most of a second
        events, _ = pulled(at(web))
        assert isinstance(events[0], Note)
        assert "0.5 MB of x3d_m.pyth from 127.0.0.1" in events[0].text
        steps = [event for event in events if isinstance(event, Progress)]
        assert {(step.total, step.unit) for step in steps} == {(SIZE, "bytes")}
        done = [step.done for step in steps]
        assert done == sorted(done)
        assert 0 < done[0] < done[-1] == SIZE, "nothing was told between the beginning and the end"

    def test_asks_nobody_where_the_file_is_here(self, web):
        _, before = pulled(at(web))
        web.asked.clear()
        web.questions = 0
        events, after = pulled(at(web))
        assert (after, events, web.asked, web.questions) == (before, [], [], 0)

    def test_the_file_is_kept_as_it_lies_on_the_server(self, web):
        web.ranges, web.squeezes = False, True
        pulled(at(web))
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    def test_a_card_may_have_repositories_and_files(self, web, tmp_path, monkeypatch):
        both = card(Weights(repo="acme/film"), Weights(url=web.url + PATH))
        with fake_hub.serve() as hub:
            point_at(hub.url, tmp_path / "hub", monkeypatch)
            hub.repos["acme/film"] = Repo(["1" * 40], {"net.safetensors": os.urandom(1000)})
            events, folders = pulled(both)
        downloaded = [e for e in events if isinstance(e, Progress) and e.total == SIZE + 1000]
        assert downloaded[-1].done == SIZE + 1000
        assert weights.folders(both) == folders
        assert weights.on_disk(both) == weights.OnDisk(SIZE + 1000, True, ("1" * 40, sha256(web.files[PATH])))
        assert weights.origins(both, folders) == [
            {"repo": "acme/film", "revision": "1" * 40},
            {"url": web.url + PATH, "sha256": sha256(web.files[PATH])},
        ]

    def test_a_file_needs_no_huggingface_hub(self, web, monkeypatch):
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        pulled(at(web))
        assert weights.folders(at(web)) is not None


class TestBrokenConnections:
    def test_it_goes_on_where_the_connection_broke(self, web):
        web.cut[PATH] = [BEGUN]
        pulled(at(web))
        first, second = web.asked
        assert first.range is None
        assert second.range == f"bytes={BEGUN}-"
        assert second.if_range == web.headers(PATH)["ETag"]
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    def test_as_often_as_something_comes(self, web):
        web.cut[PATH] = [50_000] * 8  # more often than it would try in vain
        pulled(at(web))
        assert len(web.asked) == 9
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    def test_one_that_falls_silent_is_broken_off(self, web, monkeypatch):
        monkeypatch.setattr(transfer, "TIMEOUT", 0.3)
        web.stuck[PATH] = [BEGUN]
        pulled(at(web))
        assert web.asked[-1].range == f"bytes={BEGUN}-"
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    def test_it_gives_up_when_nothing_comes_any_more(self, web, cache):
        web.cut[PATH] = [BEGUN] + [0] * 9
        with one_line(InputError, "127.0.0.1 broke", "moviola pull acme"):
            pulled(at(web))
        assert len(web.asked) == 1 + len(transfer.PAUSES)
        assert weights.folders(at(web)) is None
        assert [part.stat().st_size for part in part_files(cache)] == [BEGUN]

    def test_the_next_pull_goes_on_from_there(self, web, cache):
        halted(web, at(web))
        assert weights.on_disk(at(web)) == weights.OnDisk(BEGUN, False, ())
        events, _ = pulled(at(web))
        assert [asked.range for asked in web.asked] == [f"bytes={BEGUN}-"]
        assert "0.3 MB" in events[0].text
        assert min(event.done for event in events if isinstance(event, Progress)) >= BEGUN
        assert file_of(at(web)).read_bytes() == web.files[PATH]
        assert not part_files(cache)

    def test_it_waits_longer_every_time_and_can_be_stopped_meanwhile(self, web, monkeypatch):
        slept, clock = [], SimpleNamespace(now=0.0)
        monkeypatch.setattr(transfer, "PAUSES", (1.0, 2.0))

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock.now += seconds

        monkeypatch.setattr(transfer, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
        web.cut[PATH] = [0, 0]
        events, _ = pulled(at(web))
        assert sum(slept) == 3
        assert max(slept) <= 0.25
        assert len([event for event in events if isinstance(event, Progress)]) >= len(slept)

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_server_that_is_busy_is_asked_again(self, web, status):
        web.cut[PATH] = [BEGUN]
        work = weights.pull(at(web))
        next(work)
        web.status[PATH] = [status, status]
        for _ in work:
            pass
        assert len(web.asked) == 4
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    def test_closing_keeps_what_has_come(self, web, cache):
        stopped(web, at(web))
        held = weights.on_disk(at(web))
        assert held is not None
        assert 2**16 <= held.bytes < SIZE
        assert weights.folders(at(web)) is None
        pulled(at(web))
        assert [asked.range for asked in web.asked] == [f"bytes={held.bytes}-"]
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    def test_what_came_last_before_a_crash_needs_no_server_but_a_look(self, web, cache):
        """All bytes are here, only the name is not."""
        pulled(at(web))
        file = file_of(at(web))
        file.rename(f"{file}.part")
        web.asked.clear()
        pulled(at(web))
        assert web.asked == []
        assert file_of(at(web)) == file


class TestChangedFiles:
    @pytest.mark.parametrize("names", ["etag", "weak", "time"])
    def test_a_file_that_changed_between_two_pulls_comes_anew(self, web, names):
        web.names = names
        halted(web, at(web))
        web.files[PATH] = os.urandom(SIZE)
        pulled(at(web))
        assert [asked.range for asked in web.asked] == [None]
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    @pytest.mark.parametrize("size", [SIZE, SIZE // 2, SIZE * 2])
    def test_a_file_that_changed_under_way_comes_anew(self, web, size):
        web.cut[PATH] = [BEGUN]
        web.next[PATH] = os.urandom(size)
        events, _ = pulled(at(web))
        assert file_of(at(web)).read_bytes() == web.next[PATH]
        assert events[-1] == Progress(size, size, "bytes")
        assert weights.on_disk(at(web)) == weights.OnDisk(size, True, (sha256(web.next[PATH]),))

    @pytest.mark.parametrize("size", [SIZE, SIZE * 2, BEGUN // 2])
    def test_even_where_the_server_would_go_on_with_another_file(self, web, size):
        web.careless = True
        web.cut[PATH] = [BEGUN]
        web.next[PATH] = os.urandom(size)
        pulled(at(web))
        assert file_of(at(web)).read_bytes() == web.next[PATH]

    def test_a_weak_name_of_a_state_does_not_go_with_ranges_and_the_time_does(self, web):
        web.names = "weak"
        web.cut[PATH] = [BEGUN]
        pulled(at(web))
        assert web.asked[1].if_range == web.headers(PATH)["Last-Modified"]

    def test_where_nothing_tells_states_apart_it_comes_anew(self, web):
        web.names = "nothing"
        stopped(web, at(web))
        assert weights.on_disk(at(web)) is None
        web.cut[PATH] = [BEGUN]
        pulled(at(web))
        assert [asked.range for asked in web.asked] == [None, None]
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    def test_where_only_whole_files_are_served_it_comes_anew(self, web):
        web.ranges = False
        web.cut[PATH] = [BEGUN]
        pulled(at(web))
        assert web.asked[1].range == f"bytes={BEGUN}-"
        assert file_of(at(web)).read_bytes() == web.files[PATH]


class TestHash:
    @pytest.mark.parametrize("digits", [64, 8])
    @pytest.mark.parametrize("case", [str.lower, str.upper])
    def test_the_card_s_digits_are_those_of_the_file(self, web, digits, case):
        pulled(at(web, sha256=case(sha256(web.files[PATH]))[:digits]))

    def test_a_file_with_another_hash_is_removed(self, web, cache):
        known = at(web, sha256="0123abcd")
        with one_line(InputError, PATH, "failed the check", "0123abcd", "removed", "moviola pull acme"):
            pulled(known)
        assert weights.folders(known) is None
        assert weights.on_disk(known) is None
        assert [path.name for path in cache.rglob("*") if path.is_file()] == ["origin.json"]

    def test_what_was_begun_counts_in_the_hash(self, web, cache):
        halted(web, at(web, sha256=sha256(web.files[PATH])))
        flip(part_files(cache)[0])
        with one_line(InputError, "failed the check"):
            pulled(at(web, sha256=sha256(web.files[PATH])))
        pulled(at(web, sha256=sha256(web.files[PATH])))

    def test_more_than_there_is_of_the_file_is_not_gone_on_with(self, web, cache):
        halted(web, at(web))
        part_files(cache)[0].write_bytes(web.files[PATH] + b"more")
        pulled(at(web))
        assert file_of(at(web)).read_bytes() == web.files[PATH]

    def test_what_comes_is_hashed_on_the_way_and_not_again(self, web):
        events, _ = pulled(at(web), verify=True)
        assert not [event for event in events if isinstance(event, Note) and "checking" in event.text]

    def test_the_first_pull_pins_a_hash_that_the_card_does_not_know(self, web, cache):
        pulled(at(web))
        file = file_of(at(web))
        first = file.read_bytes()
        file.unlink()
        web.files[PATH] = os.urandom(SIZE)
        with one_line(InputError, "failed the check", sha256(first)[:12], f"first remove {file.parent}"):
            pulled(at(web))
        assert not file.exists()
        web.files[PATH] = first
        pulled(at(web))
        assert file.read_bytes() == first

    def test_one_of_another_size_than_the_pinned_is_not_even_fetched(self, web):
        pulled(at(web))
        file = file_of(at(web))
        file.unlink()
        web.files[PATH] += b"more"
        web.asked.clear()
        with one_line(InputError, "not the file it was", str(file.parent), "moviola pull acme"):
            pulled(at(web))
        assert web.asked == []

    def test_verify_finds_what_was_spoilt_on_disk(self, web):
        pulled(at(web))
        events, _ = pulled(at(web), verify=True)
        assert events[-1] == Progress(SIZE, SIZE, "bytes")
        file = file_of(at(web))
        flip(file)
        assert weights.folders(at(web)) == (file.parent,), "only a hash can tell"
        with one_line(InputError, "x3d_m.pyth", "removed", "moviola pull acme"):
            pulled(at(web), verify=True)
        assert not file.exists()
        pulled(at(web))
        assert file.read_bytes() == web.files[PATH]

    def test_a_file_that_was_cut_off_on_disk_is_not_here(self, web):
        pulled(at(web))
        file = file_of(at(web))
        os.truncate(file, SIZE - 1)
        assert weights.folders(at(web)) is None
        pulled(at(web))
        assert file.read_bytes() == web.files[PATH]

    def test_a_file_that_a_newer_card_wants_otherwise_is_not_here(self, web):
        pulled(at(web))
        web.files[PATH] = os.urandom(SIZE + 1)
        newer = at(web, sha256=sha256(web.files[PATH])[:8])
        assert weights.folders(newer) is None
        pulled(newer)
        assert file_of(newer).read_bytes() == web.files[PATH]


class TestRefusals:
    def test_a_file_that_is_not_there(self, web):
        with one_line(InputError, f"there is no {web.url}/none.pth"):
            pulled(at(web, "/none.pth"))

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_file_that_is_not_given_out(self, web, status):
        web.status[PATH] = [status]
        with one_line(InputError, f"answered {status}", web.url + PATH, "--weights FILE"):
            pulled(at(web))

    def test_a_server_in_trouble(self, web):
        web.status[PATH] = [500]
        with one_line(InputError, "answered 500", "later run: moviola pull acme"):
            pulled(at(web))

    def test_a_server_that_hides_the_size(self, web):
        web.ranges, web.silent = False, True
        with one_line(InputError, web.url + PATH, "how large"):
            pulled(at(web))

    def test_no_network(self, web):
        with one_line(InputError, "no network to 127.0.0.1", "moviola pull acme"):
            pulled(card(Weights(url=f"{closed_port()}/net.pth")))

    def test_an_address_that_is_none(self, cache):
        with one_line(InputError, "carrier-pigeon://loft/net.pth cannot be asked for"):
            pulled(card(Weights(url="carrier-pigeon://loft/net.pth")))

    def test_no_room(self, web, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
        with one_line(OutputError, "x3d_m.pyth", "0.5 MB", "0.0 MB free", "MOVIOLA_CACHE"):
            pulled(at(web))
        assert web.asked == []

    def test_room_for_the_rest_is_enough(self, web, monkeypatch):
        halted(web, at(web))
        monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=SIZE - BEGUN))
        pulled(at(web))

    def test_a_disk_that_fills_up_on_the_way(self, web, monkeypatch):
        def full(*args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(part.Part, "add", full)
        with one_line(OutputError, "full", "moviola pull acme"):
            pulled(at(web))

    def test_a_cache_that_cannot_be_written(self, web, cache):
        cache.write_text("a file, where a folder should be")
        with one_line(OutputError, "cannot write", str(cache)):
            pulled(at(web))

    @pytest.mark.skipif(part.fcntl is None, reason="files are not locked here")
    def test_two_pulls_of_one_file_at_once(self, web):
        web.slow = 0.05
        first = weights.pull(at(web))
        next(event for event in first if isinstance(event, Progress))
        with one_line(OutputError, "another process is downloading", "x3d_m.pyth"):
            pulled(at(web))
        for _ in first:
            pass
        assert file_of(at(web)).read_bytes() == web.files[PATH]


class TestOnDisk:
    def test_nothing(self, cache):
        unasked = card(Weights(url=f"{closed_port()}/net.pth"))
        assert weights.on_disk(unasked) is None
        assert weights.folders(unasked) is None

    def test_all(self, web):
        pulled(at(web))
        assert weights.on_disk(at(web)) == weights.OnDisk(SIZE, True, (sha256(web.files[PATH]),))

    def test_is_told_without_the_network(self, web):
        pulled(at(web))
        web.asked.clear()
        web.questions = 0
        weights.on_disk(at(web))
        weights.folders(at(web))
        assert (web.asked, web.questions) == ([], 0)

    @pytest.mark.parametrize("text", ["", "{", '{"url": 5}'])
    def test_a_record_that_cannot_be_read_is_none(self, web, text):
        pulled(at(web))
        file = file_of(at(web))
        (file.parent / "origin.json").write_text(text)
        assert weights.folders(at(web)) is None
        pulled(at(web))
        assert file_of(at(web)) == file
