"""The command line: one command per verb, derived from its request.

Exit codes: 0 done, 1 failed, 2 bad usage.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moviola import __version__
from moviola.cli.jobs import jobs
from moviola.errors import MoviolaError
from moviola.vocabulary import VERBS

if TYPE_CHECKING:
    from moviola.tasks import Task

_JSON = click.Option(["--json", "as_json"], is_flag=True, help="print one JSON document")


def main() -> None:
    """Entry point of `moviola`. No traceback reaches the user for bad input."""
    try:
        sys.exit(moviola(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except MoviolaError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped; what is finished is kept: run the same command again to go on", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # What is still to be flushed goes nowhere, without a word at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="moviola %(version)s")
def moviola() -> None:
    """One system for every kind of video model."""


_CHAT = click.Option(["--chat", "talk"], is_flag=True, help="ask question after question about the videos")
_COST = click.Option(["--cost", "cost_only"], is_flag=True, help="say what it would cost, no more")
_PLAN = click.Option(["--plan", "plan_only"], is_flag=True, help="say how it would be run and why, no more")


class _Verb(click.Command):
    """The command of a verb. Its flags are made when they are needed, so that plain help comes at once."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from moviola.cli.flags import parameters

        given = parameters(self._task())
        own = [_PLAN] if self._can_plan() else []
        if self._can_cost():
            own.append(_COST)
        if self.name == "ask":
            own.append(_CHAT)
            for parameter in given:
                # Where one name is given by place, only `ask` can say whether it is video or question.
                parameter.required = False
        return [*given, *own, *super().get_params(ctx)]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from moviola.cli.flags import arguments

        with formatter.section("Arguments"):
            formatter.write_dl(arguments(self._task()))
        if self.name == "measure":
            from moviola import metrics
            from moviola.recognition.accuracy import SUMMARY as ACCURACY

            with formatter.section("Metrics"):
                listed = [(name, metrics.find(name).SUMMARY) for name in metrics.names()]
                formatter.write_dl([("accuracy", ACCURACY), *listed])

    def do(
        self,
        as_json: bool,
        plan_only: bool = False,
        cost_only: bool = False,
        talk: bool = False,
        **given: Any,
    ) -> None:
        from moviola.cli import show
        from moviola.jobs.doing import do, is_hosted
        from moviola.roads import removing
        from moviola.roads.synthesis import prepare
        from moviola.tasks import Caption, Remove, Synthesis, Watch, request

        fields = {name: value for name, value in given.items() if value is not None}
        if self.name == "ask":
            from moviola.cli.asking import ask

            ask(fields, talk=talk, cost_only=cost_only, as_json=as_json)
            return
        asked = request(self._task(), fields)
        if plan_only:
            assert isinstance(asked, Synthesis | Remove)
            prepared = removing.prepare(asked) if isinstance(asked, Remove) else prepare(asked)
            if as_json:
                made = prepared.request.model_dump(mode="json", exclude_none=True)
                show.as_json(prepared.plan.to_json() | {"request": made})
            else:
                show.plan(prepared.plan, prepared.request, prepared.notes)
            return
        if cost_only:
            assert isinstance(asked, Synthesis | Caption)
            show.price(asked, document=as_json)
            return
        if isinstance(asked, Watch):
            from moviola.cli.watching import watch

            watch(asked, as_json=as_json)
            return
        try:
            result = show.follow(do(asked))
        except KeyboardInterrupt:
            if isinstance(asked, Synthesis) and is_hosted(asked):
                click.echo(
                    "stopped; the job is kept, and its provider may be at it: moviola jobs resume goes on, "
                    "the same command again would be another one",
                    err=True,
                )
                sys.exit(130)
            raise
        if as_json:
            show.as_json(result)
        elif isinstance(asked, Caption):
            show.captions(result, asked.format)
        else:
            show.summary(result)

    def _can_plan(self) -> bool:
        from moviola.tasks import Remove, Synthesis

        return issubclass(self._task(), Synthesis | Remove)

    def _can_cost(self) -> bool:
        from moviola.tasks import Ask, Caption, Synthesis

        return issubclass(self._task(), Ask | Caption | Synthesis)

    def _task(self) -> type[Task]:
        from moviola.tasks import TASKS

        return next(task for task in TASKS if task.verb == self.name)


for _name, _summary in VERBS.items():
    _verb = _Verb(_name, help=_summary, params=[_JSON], no_args_is_help=True)
    _verb.callback = _verb.do
    moviola.add_command(_verb)

moviola.add_command(jobs)


@moviola.command(params=[_JSON])
@click.argument("video")
@click.option("--count", is_flag=True, help="go through the whole file for exact frame count and rate")
def probe(video: str, count: bool, as_json: bool) -> None:
    """Say what is in a video, and whether each fact is from its header or its content."""
    from moviola.cli import show
    from moviola.clip import Clip
    from moviola.media.info import to_json

    info = Clip(video).source.probe(count=count)
    if as_json:
        show.as_json(to_json(info))
    else:
        show.media(info)


@moviola.group(invoke_without_command=True, params=[_JSON])
@click.option("--task", type=click.Choice(list(VERBS)), help="only those that do this")
@click.pass_context
def models(context: click.Context, task: str | None, as_json: bool) -> None:
    """List the models and what of them is on disk, show one, or test one."""
    from moviola import registry
    from moviola.cli import show
    from moviola.weights import on_disk

    if context.invoked_subcommand is not None:
        return
    listed = [card for card in registry.cards() if task is None or task in card.tasks]
    cards = [(card, on_disk(card)) for card in listed]
    if as_json:
        show.as_json(
            [card.model_dump(mode="json") | {"on_disk": disk and asdict(disk)} for card, disk in cards]
        )
    else:
        show.cards(cards)


@models.command("show", params=[_JSON])
@click.argument("model")
def show_model(model: str, as_json: bool) -> None:
    """Everything a model's card says, and its own options."""
    from moviola import registry
    from moviola.cli import show

    family, card = registry.find(model)
    if as_json:
        show.as_json(card.model_dump(mode="json") | {"options": family.Options.model_json_schema()})
    else:
        show.card(card, family.Options)


@models.command("test", params=[_JSON])
@click.argument("model")
def test_model(model: str, as_json: bool) -> None:
    """Run a model's whole path, from a small random checkpoint where it has weights."""
    from moviola.cli import show
    from moviola.selftest import selftest

    results = selftest(model)
    if as_json:
        show.as_json([result.model_dump(mode="json") for result in results])
    else:
        for result in results:
            click.echo(f"{result.model} can {result.task}: {result.frames} frames in {result.seconds:.1f} s")


@models.command("cost", params=[_JSON])
@click.argument("model")
@click.option("--size", metavar="WIDTHxHEIGHT", help="pixels of a view or a video; default the model's own")
@click.option("--frames", type=click.IntRange(min=1), help="how many; default the model's own")
def cost_of_model(model: str, size: str | None, frames: int | None, as_json: bool) -> None:
    """Parameters, multiply-adds and memory of a model, from its published shape; no weights are read."""
    from moviola import costs
    from moviola.cli import show

    found = costs.cost(model, size=size, frames=frames)
    if as_json:
        show.as_json(found)
    else:
        show.cost(found)


@models.command("tiny")
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def tiny_model(model: str, folder: Path) -> None:
    """Write a small random checkpoint of a model, to try everything but the quality without its weights."""
    from moviola import registry
    from moviola.selftest import tiny_checkpoint

    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty; name a new folder")
    tiny_checkpoint(*registry.find(model), folder)
    click.echo(f"use it with --model {model} --weights {folder}")


@moviola.command()
@click.argument("video", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--overwrite", is_flag=True, help="replace an earlier demo")
def demo(video: str | None, output: Path, overwrite: bool) -> None:
    """Interpolate, remove and measure on a rendered clip or your own, and write a page to look at."""
    from moviola.cli import show
    from moviola.demo import make

    page = show.follow(make(video, output, overwrite=overwrite))
    click.echo(f"open {page}")
