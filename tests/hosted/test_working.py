"""The order of hosted work: whatever happens, a job is made once, and nobody is left in the dark."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgers import Files, MemoryLedger, Waiting
from moviola.errors import (
    CannotCancelError,
    HostedError,
    InputError,
    LinkGoneError,
    ModeratedError,
    NotAuthorizedError,
    ProviderDownError,
    RateLimitedError,
    UnknownOutcomeError,
    WithdrawnError,
)
from moviola.hosted.service import Failure, Order, Output, Rules, Sighting, Ticket, Upload, Uploaded
from moviola.hosted.working import standing, work
from moviola.model import Note, Progress

ORDER = Order("acme", "acme-1", "text-to-video", {"prompt": "a lake"}, reference="r-1")
TICKET = Ticket("t-1")
DONE = Sighting("done", outputs=(Output("https://files.example/0.mp4"),), cost_usd="0.20")


class Crash(BaseException):
    """The machine goes down here."""


class Provider:
    """A provider whose answers are written down: each list is used up from the front, its last entry stays.

    An entry that is an exception is raised.
    """

    name = "acme"
    secrets = MappingProxyType({"Authorization": "Key k"})

    def __init__(
        self, *, creates=(TICKET,), looks=(DONE,), cancels=("it costs nothing",), finds=(), renews=(DONE,)
    ):
        self.rules = Rules(poll_seconds=5, first_poll_seconds=8, attempts=3, patience_seconds=100)
        self.answers = {"create": creates, "look": looks, "cancel": cancels, "find": finds, "renew": renews}
        self.answers = {name: list(answers) for name, answers in self.answers.items()}
        self.calls, self.made, self.orders = [], 0, []

    def _answer(self, name):
        self.calls.append(name)
        answers = self.answers[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def upload(self, file):
        self.calls.append("upload")
        return Uploaded(f"https://files.example/{file.sha256[:4]}", expires=1_700_086_400.0)

    def create(self, order):
        self.orders.append(order)
        ticket = self._answer("create")
        self.made += 1
        return ticket

    def look(self, ticket):
        return self._answer("look")

    def cancel(self, ticket):
        return self._answer("cancel")

    def find(self, order):
        if not self.answers["find"]:
            raise UnknownOutcomeError("acme cannot be asked")
        return self._answer("find")

    def renew(self, ticket):
        return self._answer("renew")


def finished(events):
    """What work returns, and what it told on the way."""
    told = []
    while True:
        try:
            told.append(next(events))
        except StopIteration as stop:
            return stop.value, told


class Scene:
    """One job with everything around it in memory, but its files."""

    def __init__(self, folder, provider, ledger=None):
        self.folder, self.provider, self.ledger = Path(folder), provider, ledger or MemoryLedger()
        self.waiting = Waiting()
        self.files = Files(self.waiting.clock)

    def work(self, order=ORDER):
        return work(order, self.provider, self.ledger, self.folder, self.files)

    def done(self, order=ORDER):
        return finished(self.work(order))


@pytest.fixture
def scene(tmp_path):
    return lambda **answers: Scene(tmp_path, Provider(**answers))


class Points:
    """Every place where the machine may go down: before and after each effect, through all runs."""

    def __init__(self, crashes):
        self.crashes, self.count, self.fallen = set(crashes), 0, []

    def __call__(self, when, what):
        self.count += 1
        if self.count in self.crashes:
            self.fallen.append((when, what))
            raise Crash

    def around(self, thing, *names):
        for name in names:
            setattr(thing, name, self._wrapped(name, getattr(thing, name)))
        return thing

    def _wrapped(self, name, effect):
        def wrapped(*args):
            told = f"{name} {args[0]}" if name in ("claim", "write") else name
            self("before", told)
            result = effect(*args)
            self("after", told)
            return result

        return wrapped


# Between these the request is in the air, and no reply was kept.
IN_THE_AIR = {
    ("after", "claim sent/1"),
    ("before", "create"),
    ("after", "create"),
    ("before", "claim ticket"),
}


@settings(max_examples=300)
@given(
    crashes=st.lists(st.integers(1, 60), max_size=4, unique=True),
    looks=st.lists(st.sampled_from([Sighting("waiting"), Sighting("running", 0.5)]), max_size=3),
    findable=st.booleans(),
    uploads=st.booleans(),
)
def test_whatever_breaks_off_the_work_it_is_made_once_or_is_unknown_after_a_lost_reply(
    crashes, looks, findable, uploads
):
    with TemporaryDirectory() as folder:
        provider = Provider(looks=[*looks, DONE])
        if findable:
            provider.find = lambda order: Ticket("t-1") if provider.made else None
        points = Points(crashes)
        scene = Scene(folder, points.around(provider, "create", "look", "upload"))
        points.around(scene.ledger, "claim", "write")
        points.around(scene.files, "stream")
        order = ORDER
        if uploads:
            picture = Path(folder) / "picture.png"
            picture.write_bytes(b"picture")
            digest = hashlib.sha256(b"picture").hexdigest()
            order = replace(ORDER, uploads=(Upload(str(picture), digest, "image/png", 7),))
        unknown, outcome = [], None
        while outcome is None and len(unknown) < 2:
            try:
                outcome, _ = scene.done(order)
            except UnknownOutcomeError as error:
                unknown.append(error)
            except Crash:
                continue
        assert provider.made <= 1
        lost = bool(IN_THE_AIR & set(points.fallen))
        if unknown:
            assert outcome is None
            assert lost
            assert not (findable and provider.made)
            assert standing(scene.ledger) == "unknown"
        else:
            assert provider.made == 1
            assert findable or not lost
            assert standing(scene.ledger) == "done"
            assert Path(outcome.outputs[0].path).read_bytes() == b"a video"
        assert provider.calls.count("create") <= 1


def test_many_workers_at_once_create_once(tmp_path):
    provider, ledger = Provider(), MemoryLedger()

    def try_it(number):
        try:
            return Scene(tmp_path / str(number), provider, ledger).done()
        except UnknownOutcomeError:
            return None

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(try_it, range(64)))
    assert provider.calls.count("create") == 1


def test_a_lost_reply_is_unknown_and_never_sent_again(scene):
    job = scene(creates=[UnknownOutcomeError("acme was silent")])
    for _ in range(3):
        with pytest.raises(UnknownOutcomeError):
            job.done()
    assert job.provider.calls.count("create") == 1
    assert standing(job.ledger) == "unknown"


def test_a_lost_job_is_found_where_the_provider_can_be_asked(scene):
    job = scene(creates=[UnknownOutcomeError("acme was silent")], finds=[Ticket("t-9")])
    outcome, _ = job.done()
    assert outcome.ticket.id == "t-9"
    assert job.provider.calls.count("create") == 1


def test_a_lost_job_is_looked_for_by_what_was_sent(scene, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"picture")
    digest = hashlib.sha256(b"picture").hexdigest()
    upload = Upload(str(path), digest, "image/png", 7)
    job, looked_for = scene(creates=[UnknownOutcomeError("acme was silent")]), []
    job.provider.find = lambda order: looked_for.append(order) or Ticket("t-9")
    job.done(Order("acme", "film-1", "generate", {"image": f"asset:{digest}"}, uploads=(upload,)))
    assert looked_for == job.provider.orders


def test_a_lost_job_that_the_provider_does_not_know_stays_unknown(scene):
    job = scene(creates=[UnknownOutcomeError("acme was silent")], finds=[None])
    with pytest.raises(UnknownOutcomeError, match="shows no such job"):
        job.done()
    assert job.provider.calls.count("create") == 1


@pytest.mark.parametrize("no", [NotAuthorizedError("no such key"), ProviderDownError("no network")])
def test_a_lost_job_that_cannot_be_asked_for_stays_unknown(scene, no):
    job = scene(creates=[UnknownOutcomeError("acme was silent")], finds=[no])
    with pytest.raises(UnknownOutcomeError, match=f"could not be asked: {no}"):
        job.done()
    assert standing(job.ledger) == "unknown"


@pytest.mark.parametrize("no", [RateLimitedError("slowly", 40), ProviderDownError("no network")])
def test_what_made_nothing_and_may_pass_is_tried_again_after_a_wait(scene, no):
    job = scene(creates=[no, Ticket("t-1")])
    _, told = job.done()
    assert job.provider.calls.count("create") == 2
    assert job.waiting.slept[0] >= (getattr(no, "after", None) or 1)
    assert any("nothing was made" in event.text for event in told if isinstance(event, Note))


@pytest.mark.parametrize("no", [NotAuthorizedError("no such key"), ModeratedError("not that", "input")])
def test_what_will_not_pass_is_told_at_once(scene, no):
    job = scene(creates=[no])
    with pytest.raises(type(no)):
        job.done()
    assert job.provider.calls == ["create"]
    assert standing(job.ledger) == "ready"


def test_a_job_that_was_refused_may_be_gone_on_with(scene):
    job = scene(creates=[NotAuthorizedError("no such key"), Ticket("t-1")])
    with pytest.raises(NotAuthorizedError):
        job.done()
    outcome, _ = job.done()
    assert outcome.ticket.id == "t-1"


def test_polling_keeps_to_the_rules(scene):
    running = Sighting("running", 0.3)
    job = scene(looks=[running, replace(running, poll_after_seconds=30), running, DONE])
    job.done()
    assert job.waiting.slept == [8, 5, 30, 5]


def test_whoever_is_woken_keeps_to_the_rules_too(scene):
    running = Sighting("running", 0.3)
    down, busy = ProviderDownError("down"), RateLimitedError("slow down", 60)
    job = scene(looks=[running, replace(running, poll_after_seconds=30), down, busy, running, DONE])
    naps = []
    job.files.clock = replace(job.files.clock, nap=lambda *seconds: naps.append(seconds))
    job.done()
    assert naps == [(5, 8), (5, 5), (5, 30), (5, 5), (60, 60), (5, 5)]


def test_a_restart_does_not_look_sooner(scene):
    job = scene(looks=[Sighting("running"), Crash(), DONE])
    with pytest.raises(Crash):
        job.done()
    job.waiting.slept.clear()
    job.done()
    assert job.waiting.slept[0] >= job.provider.rules.poll_seconds


def test_progress_is_told(scene):
    job = scene(looks=[Sighting("waiting", words="position 3"), Sighting("running", 0.5), DONE])
    _, told = job.done()
    assert Note("acme: position 3") in told
    assert Progress(0.5, 1.0, "of the job") in told


def test_a_provider_that_is_down_for_a_while_loses_no_job(scene):
    job = scene(looks=[ProviderDownError("acme was silent")] * 4 + [DONE])
    outcome, _ = job.done()
    assert outcome.cost_usd == "0.20"


def test_a_provider_that_is_down_for_longer_leaves_the_job_open(scene):
    job = scene(looks=[ProviderDownError("acme was silent")] * 60 + [DONE])
    with pytest.raises(ProviderDownError):
        job.done()
    assert standing(job.ledger) == "open"
    job.provider.answers["look"] = [DONE]
    job.done()
    assert job.provider.made == 1


def test_a_failure_is_told_as_the_provider_tells_it_now_and_later(scene):
    failure = Failure.told_by(ModeratedError("acme: not that", "output", ["video"]))
    job = scene(looks=[Sighting("failed", failure=failure)])
    for _ in range(2):
        with pytest.raises(ModeratedError, match="not that") as caught:
            job.done()
        assert (caught.value.stage, caught.value.which) == ("output", ("video",))
    assert job.provider.calls.count("look") == 1
    assert standing(job.ledger) == "failed"


def test_a_job_that_is_done_without_anything_made_is_no_success(scene):
    job = scene(looks=[Sighting("done")])
    with pytest.raises(HostedError, match="nothing was made"):
        job.done()


def test_cancelling_before_anything_is_sent_sends_nothing(scene):
    job = scene()
    job.ledger.claim("cancel", {})
    with pytest.raises(WithdrawnError, match="costs nothing"):
        job.done()
    assert job.provider.calls == []
    assert standing(job.ledger) == "cancelled"


def test_cancelling_reaches_the_provider_and_says_what_it_costs(scene):
    job = scene(looks=[Sighting("running")], cancels=["half of it is paid for"])
    events = job.work()
    while not isinstance(next(events), Progress):
        pass
    job.ledger.claim("cancel", {})
    with pytest.raises(WithdrawnError, match="half of it is paid for"):
        list(events)
    assert standing(job.ledger) == "cancelled"


def test_what_cannot_be_cancelled_is_kept(scene):
    job = scene(looks=[Sighting("running"), DONE], cancels=[CannotCancelError("acme: too late")])
    events = job.work()
    while not isinstance(next(events), Progress):
        pass
    job.ledger.claim("cancel", {})
    outcome, told = finished(events)
    assert outcome.outputs
    assert any("too late" in event.text for event in told if isinstance(event, Note))
    assert job.provider.calls.count("cancel") == 1


def test_a_link_that_has_expired_is_renewed_before_it_is_used(scene):
    old = replace(DONE, outputs=(Output("https://files.example/old", expires=1_700_000_010.0),))
    fresh = replace(DONE, outputs=(Output("https://files.example/new", expires=1_700_009_000.0),))
    job = scene(looks=[old], renews=[fresh])
    job.done()
    assert job.provider.calls.count("renew") == 1
    assert "new" in job.ledger.read("seen")["outputs"][0]["url"]


def test_a_link_that_is_gone_is_renewed_once(scene):
    job = scene()
    opened = []

    def gone(url, headers, secrets):
        opened.append(url)
        raise LinkGoneError("files.example has the file no more")

    job.files.stream = gone
    with pytest.raises(LinkGoneError):
        job.done()
    assert len(opened) == 2
    assert standing(job.ledger) == "fetching"


def test_a_file_that_was_damaged_since_is_brought_again(scene):
    job = scene()
    outcome, _ = job.done()
    Path(outcome.outputs[0].path).write_bytes(b"damaged")
    outcome, _ = job.done()
    assert Path(outcome.outputs[0].path).read_bytes() == b"a video"
    assert job.provider.made == 1


def with_picture(folder):
    picture = folder / "picture.png"
    picture.write_bytes(b"picture")
    digest = hashlib.sha256(b"picture").hexdigest()
    body = {"prompt": "a lake", "images": [{"image_url": f"asset:{digest}"}]}
    return picture, replace(ORDER, body=body, uploads=(Upload(str(picture), digest, "image/png", 7),))


def test_files_are_brought_first_and_once(scene, tmp_path):
    _, order = with_picture(tmp_path)
    job = scene(creates=[NotAuthorizedError("no such key"), Ticket("t-1")])
    with pytest.raises(NotAuthorizedError):
        job.done(order)
    job.done(order)
    assert job.provider.calls.count("upload") == 1
    assert job.provider.orders[-1].body["images"][0]["image_url"].startswith("https://files.example/")


def test_files_that_the_provider_has_dropped_are_brought_again(scene, tmp_path):
    _, order = with_picture(tmp_path)
    job = scene(creates=[NotAuthorizedError("no such key"), Ticket("t-1")])
    with pytest.raises(NotAuthorizedError):
        job.done(order)
    job.waiting.time += 86_400
    job.done(order)
    assert job.provider.calls.count("upload") == 2


def test_a_file_that_has_changed_since_is_not_sent(scene, tmp_path):
    picture, order = with_picture(tmp_path)
    picture.write_bytes(b"another")
    job = scene()
    with pytest.raises(InputError, match=r"picture\.png has changed"):
        job.done(order)
    assert job.provider.calls == []


def test_a_folder_that_cannot_be_written_costs_nothing(scene, tmp_path):
    job = scene()
    blocked = tmp_path / "file"
    blocked.touch()
    job.folder = blocked / "folder"
    with pytest.raises(Exception, match="cannot write to"):
        job.done()
    assert job.provider.calls == []


def test_an_order_comes_back_from_its_ledger_as_it_was(scene, tmp_path):
    _, order = with_picture(tmp_path)
    ledger = MemoryLedger()
    ledger.claim("order", order.json())
    assert Order.of(ledger.read("order")) == order


class Handing(Provider):
    """What it makes comes within an answer."""

    def hand_over(self, ticket, number):
        self.calls.append("hand over")
        return f"{ticket.id} {number}".encode()


def test_what_has_no_address_is_handed_over_once_and_kept(tmp_path):
    made = Sighting("done", outputs=(Output(""), Output("", "image/png")))
    job = Scene(tmp_path, Handing(looks=[made]))
    for _ in range(2):
        outcome, _ = job.done()
    video, picture = outcome.outputs
    assert (Path(video.path).read_bytes(), Path(picture.path).read_bytes()) == (b"t-1 0", b"t-1 1")
    assert (Path(picture.path).suffix, picture.kind) == (".png", "image/png")
    assert job.provider.calls.count("hand over") == 2


def test_only_what_is_locked_is_fetched_with_the_key(tmp_path, monkeypatch):
    sent = []
    made = Sighting(
        "done", outputs=(Output("https://acme.example/a", locked=True), Output("https://f.example/b"))
    )
    job = Scene(tmp_path, Provider(looks=[made]))
    stream = job.files.stream
    monkeypatch.setattr(
        job.files,
        "stream",
        lambda url, headers, secrets: sent.append(secrets) or stream(url, headers, secrets),
    )
    job.done()
    assert sent == [{"Authorization": "Key k"}, {}]
