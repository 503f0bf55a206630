"""What was made comes whole or not at all."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_provider import DROP, Answer, FakeProvider
from ledgers import Waiting
from moviola.errors import HostedError, LinkGoneError, OutputError, ProviderDownError
from moviola.hosted.fetching import fetch
from moviola.hosted.service import Output, Rules
from moviola.hosted.transport import Transport
from moviola.weights.part import part_of

FILM = bytes(range(256)) * 2000


class Store(FakeProvider):
    """Keeps one file, and sends parts of it."""

    def __init__(self, etag='"1"'):
        super().__init__()
        self.etag = etag

    def handle(self, asked):
        headers = {"ETag": self.etag, "Content-Type": "video/webm"}
        if "range" not in asked.headers or asked.headers.get("if-range") != self.etag:
            return Answer(200, FILM, headers)
        start = int(asked.headers["range"].removeprefix("bytes=").removesuffix("-"))
        return Answer(206, FILM[start:], headers | {"Content-Range": f"bytes {start}-/{len(FILM)}"})


@pytest.fixture
def store():
    with Store() as there:
        yield there


@pytest.fixture
def line():
    with Transport(clock=Waiting().clock, silence=2.0) as transport:
        yield transport


RULES = Rules(attempts=3)


def brought(line, store, path, **more):
    work = fetch(line, Output(f"{store.url}/film"), path, RULES, **more)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def test_it_lies_there_with_its_hash_and_kind(store, line, tmp_path):
    fetched = brought(line, store, tmp_path / "new" / "film.webm")
    assert (tmp_path / "new" / "film.webm").read_bytes() == FILM
    assert (fetched.sha256, fetched.size) == (hashlib.sha256(FILM).hexdigest(), len(FILM))
    assert fetched.kind == "video/webm"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["film.webm"]


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, len(FILM) - 1), max_size=4), etag=st.sampled_from(['"1"', 'W/"1"', ""]))
def test_however_often_it_breaks_off_it_comes_whole(tmp_path_factory, cuts, etag):
    folder = tmp_path_factory.mktemp("cut")
    with Store(etag) as store, Transport(clock=Waiting().clock, silence=2.0) as line:
        for cut in cuts[:2]:
            store.trouble("GET", "/film", Answer(200, FILM, {"ETag": etag}, cut=cut))
        brought(line, store, folder / "film.webm")
    assert (folder / "film.webm").read_bytes() == FILM


def test_a_broken_connection_is_gone_on_from_where_it_was(store, line, tmp_path):
    store.trouble("GET", "/film", Answer(200, FILM, {"ETag": '"1"'}, cut=200_000))
    brought(line, store, tmp_path / "film.webm")
    assert store.asked[1].headers["range"] == "bytes=200000-"


def test_a_file_that_was_replaced_meanwhile_begins_anew(store, line, tmp_path):
    store.trouble("GET", "/film", Answer(200, b"old" * 100_000, {"ETag": '"0"'}, cut=200_000))
    brought(line, store, tmp_path / "film.webm")
    assert (tmp_path / "film.webm").read_bytes() == FILM


def test_what_a_former_run_left_is_not_built_on(store, line, tmp_path):
    (tmp_path / "film.webm.part").write_bytes(b"of another file")
    brought(line, store, tmp_path / "film.webm")
    assert (tmp_path / "film.webm").read_bytes() == FILM


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_link_that_is_gone_is_told_as_that(store, line, tmp_path, status):
    store.trouble("GET", "/film", Answer(status, {"detail": "expired"}))
    with pytest.raises(LinkGoneError):
        brought(line, store, tmp_path / "film.webm")
    assert not list(tmp_path.iterdir())


def test_a_server_that_stays_broken_is_given_up(store, line, tmp_path):
    store.trouble("GET", "/film", Answer(503), DROP, Answer(500), Answer(500))
    with pytest.raises(ProviderDownError):
        brought(line, store, tmp_path / "film.webm")
    assert len(store.asked) == 3
    assert not (tmp_path / "film.webm").exists()


@pytest.mark.parametrize("length", [None, -1, 10 * 2**30])
def test_a_file_too_large_leaves_nothing(store, line, tmp_path, length):
    store.trouble("GET", "/film", Answer(200, FILM, length=length))
    with pytest.raises(HostedError, match="above the"):
        brought(line, store, tmp_path / "film.webm", most_bytes=100_000)
    assert not list(tmp_path.iterdir())


def test_an_empty_file_is_none(store, line, tmp_path):
    store.trouble("GET", "/film", *[Answer(200, b"")] * 3)
    with pytest.raises(ProviderDownError, match="empty"):
        brought(line, store, tmp_path / "film.webm")


def test_a_file_of_unknown_length_comes_too(store, line, tmp_path):
    store.trouble("GET", "/film", Answer(200, FILM, length=-1))
    assert brought(line, store, tmp_path / "film.webm").size == len(FILM)


def test_two_processes_do_not_write_one_file(store, line, tmp_path):
    with part_of(tmp_path / "film.webm"), pytest.raises(OutputError, match="another process"):
        brought(line, store, tmp_path / "film.webm")


def test_a_file_that_drips_is_begun_with_again(store, tmp_path):
    waiting = Waiting()
    store.trouble("GET", "/film", Answer(200, FILM[:40], {"ETag": '"1"'}, length=len(FILM), drip=0.01))
    clock = waiting.clock

    def steady():
        waiting.time += 10
        return waiting.time

    object.__setattr__(clock, "steady", steady)
    with Transport(clock=clock, silence=2.0) as line:
        notes = list(fetch(line, Output(f"{store.url}/film"), tmp_path / "f", RULES))
    assert any("too slowly" in getattr(event, "text", "") for event in notes)
    assert (tmp_path / "f").read_bytes() == FILM
