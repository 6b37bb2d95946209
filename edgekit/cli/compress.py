"""`edgekit compress`: runs a recipe, resuming what an earlier run finished."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from edgekit.cli import DONE, ERROR, EXIT_CODES, INTERRUPTED
from edgekit.cli.arguments import count
from edgekit.cli.output import messages, print_event, print_json
from edgekit.cli.plan import add_recipe_arguments
from edgekit.cli.terminal import printable
from edgekit.errors import EdgekitError
from edgekit.wording.units import human_bytes, human_seconds

if TYPE_CHECKING:
    from edgekit.build.outcome import Built, BuiltArtifact
    from edgekit.job.events import Event
    from edgekit.training.crew import Processes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="events as JSON lines on stderr, the result on stdout"
    )
    parser.add_argument(
        "--processes",
        type=count,
        default=1,
        metavar="N",
        help="share training between so many GPUs (or processes on the CPU) of this machine",
    )


def run(settings: argparse.Namespace) -> int:
    # torch, transformers, pydantic: only for commands that build.
    from edgekit.cli import launching

    if not launching.is_launched():
        return launching.launch(settings) if settings.processes > 1 else _build(settings)
    from edgekit.cli.planning import choose_device
    from edgekit.training.crew import join

    crew = join(choose_device(settings.device))
    return _build(settings, crew=crew) if crew.leads else _follow(crew)


def _follow(crew: Processes) -> int:
    """The leader reports for all: a follower only reports what the leader cannot know."""
    try:
        crew.follow()
    except EdgekitError as error:
        sentence = printable(str(error), most=2000)
        print(f"edgekit: process {crew.index}: {sentence}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def _build(settings: argparse.Namespace, *, crew: Processes | None = None) -> int:
    from edgekit.build.build import compress
    from edgekit.cli.planning import make_plan

    plan = make_plan(settings)

    def follow_plan(on_event: Callable[[Event], None]) -> Built:
        built = compress(plan, on_event=on_event, crew=crew)
        if crew is not None:
            crew.dismiss()
        return built

    if settings.json:
        built = follow_plan(lambda event: print_event(event.as_json()))
        print_json(built.as_json())
        return EXIT_CODES[built.verdict]
    with _Bars() as bars:
        built = follow_plan(bars.show)
    for artifact in built.artifacts:
        print(f"{artifact.path}  {human_bytes(artifact.size_bytes)}  {_verdict(artifact)}")
    print(f"{built.out / 'report.html'}  the report")
    if built.smoke:
        print("This was a trial with few rows and two layers: its quality means nothing.")
    messages().print(f"Done in {human_seconds(built.seconds)}.")
    return EXIT_CODES[built.verdict]


def _verdict(artifact: BuiltArtifact) -> str:
    reasons = [*artifact.missed]
    if why := artifact.manifest["quality"].get("why"):
        reasons.append(why)
    return f"{artifact.verdict or 'no verdict'}: {'; '.join(reasons) or 'nothing was asked'}"


class _Bars:
    """A line for each step on stderr, with the time left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<16}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[left]}", markup=False),
            console=messages(),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        if event.step not in self._tasks:
            self._tasks[event.step] = self._progress.add_task(event.step, total=1.0, left="")
        left = {"reused": "finished earlier", "done": "done"}.get(event.state, "")
        if event.eta_s is not None and event.state == "progress":
            left = f"about {human_seconds(event.eta_s)} left"
        self._progress.update(self._tasks[event.step], completed=event.fraction, left=left)
        if event.note:
            self._progress.console.print(f"{event.step}: {event.note}")
