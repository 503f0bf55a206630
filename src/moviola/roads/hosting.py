"""From a request to a hosted model to its file: card → order → price → job at the provider → file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from moviola import registry
from moviola.card import Accepts, ModelCard
from moviola.clip import Clip
from moviola.errors import MediaError, OutputError
from moviola.hosted import webhooks
from moviola.hosted.clock import CLOCK, Clock
from moviola.hosted.fetching import Fetched
from moviola.hosted.ledger import Ledger
from moviola.hosted.pricing import Estimate, check_affordable, estimate
from moviola.hosted.service import Given, Order, Upload
from moviola.hosted.shaping import check_offered, settle
from moviola.hosted.transport import Transport
from moviola.hosted.working import Outcome, work
from moviola.media.encoding import choose_encoding
from moviola.media.remux import can_copy, copy
from moviola.media.sink import check_output
from moviola.media.write import write
from moviola.model import Events, HostedFamily, Note, Result
from moviola.policy import check_allowed, most
from moviola.recipe import recipe
from moviola.roads.making import check_not_input, numbered, validated
from moviola.roads.sending import Sending
from moviola.roads.synthesis import check_fields, output_of
from moviola.roads.video import clip_of, files_of, inputs_of
from moviola.tasks import Edit, Synthesis, VideoResult


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request checked against its card, with nothing left open.

    order: of the first video, where it asks for several. told: the price of all, where that is known.
    """

    request: Synthesis
    family: HostedFamily
    card: ModelCard
    order: Order
    told: Estimate | None
    notes: list[str]


def prepare(request: Synthesis, folder: Path | None = None) -> Prepared:
    """Check a request and tell what it costs; nothing is sent, and no key is needed.

    folder: where files that are made for the provider go; None where they are not needed yet.
    Raises RequestError, InputError, ModelRetiredError.
    """
    family, card = registry.find(request.model, task=request.verb)
    family = cast(HostedFamily, family)
    check_offered(card, request.server)
    check_allowed(card)
    options = validated(family.Options, request.options, card)
    check_fields(request, card)
    settled, notes = settle(request, card)
    output = output_of(settled)
    for each in numbered(output, request.count):
        check_output(each, overwrite=request.overwrite)
        check_not_input(each, *files_of(request).values())
    files, uploads = _files(request, card, folder, notes)
    order = family.order(settled, card, options, files)
    order = replace(order, uploads=uploads, webhook=webhooks.address(order.provider))
    told = estimate(card, order.priced, request.count) if order.priced else None
    check_affordable(card, told, most(request.max_cost))
    return Prepared(settled.model_copy(update={"output": output}), family, card, order, told, notes)


def takes(request: Synthesis) -> list[Synthesis]:
    """A request for each of the videos that `count` asks for: each is a job of its own."""
    made: list[Synthesis] = []
    for number, output in enumerate(numbered(output_of(request), request.count)):
        update: dict[str, Any] = {"count": 1, "output": output}
        if request.seed is not None:
            update["seed"] = request.seed + number
        if isinstance(request, Edit) and request.compare is not None:
            update["compare"] = numbered(request.compare, request.count)[number]
        made.append(request.model_copy(update=update))
    return made


def host(
    request: Synthesis,
    ledger: Ledger,
    folder: Path,
    transport: Transport,
    *,
    reference: str = "",
    clock: Clock = CLOCK,
) -> Events:
    """Do a request at its provider, or go on with it. The last event is a `Result` with a `VideoResult`.

    ledger: what is known of the job. folder: of the job's own. reference: our name of the job, by which some
    providers find it. clock: of this job alone. Closing the generator leaves the job as it is; the same call
    goes on. Raises MoviolaError as `working.work` does.
    """
    began = clock.steady()
    family, card = registry.find(request.model, task=request.verb)
    kept = ledger.read("order")
    if kept is None:
        prepared = prepare(request, folder)
        request, notes = prepared.request, prepared.notes
        order = replace(prepared.order, reference=reference)
        yield from map(Note, notes)
        if prepared.told is not None:
            yield Note(f"costs {prepared.told}")
    else:
        # Whatever has become since of the files it was made from: they are with the provider.
        (request, notes), order = settle(request, card), Order.of(kept)
    service = cast(HostedFamily, family).service(order, transport)
    outcome = yield from work(order, service, ledger, folder / "made", transport, clock=clock)
    made_by = recipe(request, card, inputs_of(request)) | _facts(order, outcome)
    results = []
    for fetched, output in zip(
        outcome.outputs, numbered(output_of(request), len(outcome.outputs)), strict=True
    ):
        lost = _write(fetched, output, request, made_by)
        yield from map(Note, lost)
        written = Clip(output).info
        results.append(
            VideoResult(
                output=output,
                frames=written.video.frame_count or len(Clip(output).timeline()),
                width=written.video.width,
                height=written.video.height,
                duration_seconds=written.duration_seconds or 0,
                elapsed_seconds=clock.steady() - began,
                windows=1,
                resumed_windows=0,
                notes=[*notes, *lost],
                recipe=made_by,
            )
        )
    yield Result(results[0].model_copy(update={"takes": results[1:]}))


def _facts(order: Order, outcome: Outcome) -> dict[str, Any]:
    """What a recipe says of the job. cost_usd: None where the provider does not tell it."""
    return {
        "provider": order.provider,
        "provider_model": order.model,
        "job": outcome.ticket.id,
        "cost_usd": outcome.cost_usd,
    }


def _files(
    request: Synthesis, card: ModelCard, folder: Path | None, notes: list[str]
) -> tuple[dict[str, Given], tuple[Upload, ...]]:
    """What the request names, by field (`references.0`), and what of it is uploaded."""
    sending = Sending(card.id, folder, request.fit, notes)
    files, uploads = {}, []
    for name, origin in files_of(request).items():
        part = None
        if name == "video" and isinstance(request, Edit) and (request.range or request.rate):
            part = clip_of(request)
        given, upload = sending.given(
            name, origin, card.limits.files.get(name.partition(".")[0], Accepts()), part
        )
        files[name] = given
        if upload is not None:
            uploads.append(upload)
    return files, tuple(uploads)


def _write(fetched: Fetched, output: Path, request: Synthesis, made_by: Mapping[str, Any]) -> list[str]:
    """Bring what was made into the file that was asked for; returns notes on what was lost.

    Packet by packet where nothing else is asked, so that no quality is lost.
    """
    clip = Clip(fetched.path)
    try:
        info = clip.info
    except MediaError:
        raise OutputError(
            f"what was made is no video but {fetched.kind or 'something else'}; it lies in {fetched.path}"
        ) from None
    asked = request.codec is not None or request.quality is not None or request.depth is not None
    if not asked and request.audio and can_copy(clip.source, output):
        return copy(clip.source, output, recipe=made_by, overwrite=request.overwrite)
    depth = int(request.depth) if request.depth else None
    encoding = choose_encoding(output, info, codec=request.codec, quality=request.quality, depth=depth)
    tracks = clip.source if request.audio else None
    return write(
        clip.chunks(depth=encoding.depth_in_memory),
        output,
        encoding=encoding,
        tracks=tracks,
        recipe=made_by,
        overwrite=request.overwrite,
    )
