"""`moviola jobs`: what is kept of hosted and long work, and going on with it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from moviola.jobs.job import Job

_JSON = click.Option(["--json", "as_json"], is_flag=True, help="print one JSON document")

_STATES = ("queued", "running", "interrupted", "done", "failed", "cancelled", "unknown")


@click.group()
def jobs() -> None:
    """List, follow, cancel and go on with jobs: hosted work, which costs, and long work of this machine.

    A job is named by its id, or by as much of its beginning as no other has.
    """


@jobs.command("list", params=[_JSON])
@click.option("--state", type=click.Choice(_STATES), multiple=True, help="only those; may be given again")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="only the newest N")
def list_jobs(state: Sequence[str], limit: int | None, as_json: bool) -> None:
    """All jobs, the newest first."""
    from moviola import jobs as kept

    found = [job for job in kept.listed() if not state or job.state in state][:limit]
    if as_json:
        _as_json([_plain(job) for job in found])
    for job in found if not as_json else ():
        click.echo(_line(job))


@jobs.command(params=[_JSON])
@click.argument("job")
def show(job: str, as_json: bool) -> None:
    """Everything about a job, and when each step of it was taken."""
    from moviola import jobs as kept

    found = kept.show(job)
    steps = kept.steps(found.id)
    if as_json:
        _as_json(_plain(found) | {"steps": [{"at": at.isoformat(), "step": name} for at, name in steps]})
        return
    click.echo(_line(found))
    for name, value in _plain(found).items():
        if value is not None and name not in ("id", "state", "result"):
            click.echo(f"  {name.replace('_', ' ')}: {value}")
    for at, name in steps:
        click.echo(f"  {at:%Y-%m-%d %H:%M:%S}  {name}")


@jobs.command(params=[_JSON])
@click.argument("job", nargs=-1, required=True)
def wait(job: Sequence[str], as_json: bool) -> None:
    """Wait until jobs have ended; what no other process is at is done here. Fails where one of them did."""
    from moviola import jobs as kept

    if len(job) == 1 and not as_json:
        from moviola.cli import show

        show.summary(show.follow(kept.follow(job[0])))
        return
    _ended(kept.wait(job), as_json)


@jobs.command(params=[_JSON])
@click.argument("job", nargs=-1)
def resume(job: Sequence[str], as_json: bool) -> None:
    """Go on with jobs that a crash left open, or with all that are open, until they have ended."""
    from moviola import jobs as kept

    _ended(kept.resume(job), as_json)


@jobs.command(params=[_JSON])
@click.argument("job")
def cancel(job: str, as_json: bool) -> None:
    """Cancel a job, also at its provider where that can be, and say what that costs."""
    from moviola import jobs as kept
    from moviola.cli import show

    found = show.follow(kept.cancel(job))
    if as_json:
        _as_json(_plain(found))
    else:
        click.echo(_line(found))


@jobs.command(params=[_JSON])
@click.argument("job")
@click.option("--yes", is_flag=True, help="also where the first may have been made, and both are paid for")
@click.option("--wait/--no-wait", "waiting", default=True, help="do it at once, or only keep it")
def retry(job: str, yes: bool, waiting: bool, as_json: bool) -> None:
    """Do a job that ended once more, as a job of its own."""
    from moviola import jobs as kept
    from moviola.errors import RequestError

    first = kept.show(job)
    if first.state == "unknown" and not yes:
        told = f"job {first.id} may have been made at {first.provider}, and then both are paid for"
        if as_json or not sys.stdin.isatty():
            raise RequestError(f"{told}; see there, and then add --yes")
        click.confirm(f"{told}. Once more?", abort=True)
    again = kept.retry(first.id)
    if waiting:
        _ended(kept.wait([again]), as_json)
    elif as_json:
        _as_json(_plain(kept.show(again)))
    else:
        click.echo(again)


@jobs.command(params=[_JSON])
@click.option(
    "--days", type=click.FloatRange(min=0), default=30, show_default=True, help="ended that long ago"
)
@click.option("--unknown", is_flag=True, help="also those of which it is not known whether they were made")
def prune(days: float, unknown: bool, as_json: bool) -> None:
    """Forget jobs that ended, and what is kept of their results; your own files stay."""
    from moviola import jobs as kept
    from moviola.weights.disk import amount

    pruned = kept.prune(days=days, unknown=unknown)
    if as_json:
        _as_json(pruned.model_dump(mode="json"))
    else:
        click.echo(
            f"{_count(len(pruned.jobs))} forgotten, {amount(pruned.freed_bytes)} of kept results removed"
        )


@jobs.command(params=[_JSON])
def cost(as_json: bool) -> None:
    """What hosted jobs cost, by the day they were submitted (UTC) and the model."""
    from moviola import jobs as kept

    spent = kept.cost()
    if as_json:
        _as_json([one.model_dump(mode="json") for one in spent])
        return
    for one in spent:
        more = f", about ${one.estimated_usd:.2f} not told yet" if one.estimated_usd else ""
        risk = f", ${one.at_risk_usd:.2f} of unknown outcome" if one.at_risk_usd else ""
        click.echo(f"{one.day}  {one.model}  {_count(one.jobs)}  ${one.told_usd:.2f}{more}{risk}")
    if spent:
        told, open_ = sum(one.told_usd for one in spent), sum(one.estimated_usd for one in spent)
        listed = f", and about ${open_:.2f} more by their price lists" if open_ else ""
        click.echo(f"in all ${told:.2f} as the providers tell it{listed}")


def _count(jobs: int) -> str:
    return f"{jobs} job{'' if jobs == 1 else 's'}"


@jobs.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="address of this machine to listen at")
@click.option("--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0 for any")
def listen(host: str, port: int) -> None:
    """Listen to providers that call once a job has ended, so that it is looked at without delay.

    They call where MOVIOLA_WEBHOOKS says, an address of https that leads here; set it where jobs are handed
    in and done. A call is only believed to be about a job: how that ended, its worker asks the provider.
    """
    from moviola.errors import MissingExtraError

    try:
        from moviola.jobs import listening
    except ModuleNotFoundError as error:
        extra = "server" if error.name in ("starlette", "uvicorn") else "hosted"
        raise MissingExtraError("listening to providers", extra) from error
    listening.listen(host, port, lambda address: click.echo(f"listening at {address}"))


def _ended(found: Sequence[Job], as_json: bool) -> None:
    """Print how jobs stand, and exit with 1 unless all are done."""
    if as_json:
        _as_json([_plain(job) for job in found])
    for job in found if not as_json else ():
        click.echo(_line(job))
    if any(job.state != "done" for job in found):
        click.get_current_context().exit(1)


def _line(job: Job) -> str:
    share = f" {job.progress:.0%}" if job.open and job.progress else ""
    cost = f"  ${job.cost_usd:.2f}" if job.cost_usd is not None else ""
    said = job.error if job.state != "done" else job.output
    return (
        f"{job.id}  {job.state}{share}  {job.submitted_at:%Y-%m-%d %H:%M}  {job.verb} {job.model or ''}{cost}"
        f"{f'  {said}' if said else ''}"
    )


def _plain(job: Job) -> dict[str, Any]:
    return job.model_dump(mode="json")


def _as_json(value: Any) -> None:
    from moviola.cli import show

    show.as_json(value)
