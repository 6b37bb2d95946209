"""`edgekit watch`: labels texts as they come, and gives an alarm when rules say so."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli import DONE
from edgekit.cli.classify import check_labels, labels_of
from edgekit.cli.output import print_json
from edgekit.data.places import is_of_a_row
from edgekit.errors import DataError, EdgekitError, MissingExtra

if TYPE_CHECKING:
    from edgekit.artifact.manifest import Manifest
    from edgekit.data.incoming import Columns, Incoming
    from edgekit.model import Model
    from edgekit.tasks.classification.answer import Answer
    from edgekit.watching.rules import Event, Rules, Seen

METRICS_EVERY_ROWS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="an artifact's folder")
    parser.add_argument(
        "--file",
        required=True,
        metavar="-|FILE|FOLDER",
        help="stdin (a text or a JSON object on each line), a file, or a folder in which files "
        "appear",
    )
    parser.add_argument("--rules", type=Path, required=True, metavar="FILE", help="YAML")
    parser.add_argument("--once", action="store_true", help="end when a folder's files are read")
    parser.add_argument(
        "--metrics", type=Path, metavar="FILE", help="keep Prometheus metrics in a file"
    )
    for name, what in (
        ("text", "the texts"),
        ("language", "their languages; detected where there is none"),
        ("source", "where they come from (default: the file's name)"),
        ("time", "when they were written (default: when they are read)"),
    ):
        parser.add_argument(
            f"--{name}-column", default=name, metavar="C", help=f"the column with {what}"
        )
    parser.add_argument(
        "--labels", type=labels_of, metavar="a,b,c", help="to choose from, for a chat artifact"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use")


def run(settings: argparse.Namespace) -> int:
    import edgekit  # the engine: not for `--help`
    from edgekit.data.incoming import Columns

    columns = Columns(
        settings.text_column, settings.language_column, settings.source_column,
        settings.time_column,
    )  # fmt: skip
    with edgekit.load(settings.artifact, threads=settings.threads) as model:
        check_labels(model, settings)
        rules = rules_of(model.manifest, settings.rules, labels=settings.labels)
        watcher = _Watcher(model, rules, settings)
        try:
            for incoming in _incoming(settings, columns, watcher):
                watcher.see(incoming)
        except KeyboardInterrupt:
            pass  # the way to end it
        finally:
            watcher.close()
    counts = {"rows": watcher.rows, "refused": watcher.refused, "alarms": watcher.alarms}
    watcher.say({"event": "end", **counts})
    return DONE


def _incoming(
    settings: argparse.Namespace, columns: Columns, watcher: _Watcher
) -> Iterator[Incoming | DataError]:
    from edgekit.data.incoming import from_path, from_stream

    if settings.file == "-":
        return from_stream(sys.stdin, columns)
    return from_path(
        Path(settings.file), columns, follow=not settings.once, idle=watcher.write_metrics
    )


def rules_of(manifest: Manifest, path: Path, *, labels: tuple[str, ...] | None = None) -> Rules:
    """The rules of a file for what answers with `labels`, or else with those of the artifact."""
    from edgekit.data import language_of
    from edgekit.tasks.classification.expected import expected_labels

    try:
        from edgekit.recipe import rules
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "watch") from error
    known = rules.Known(
        labels=labels or manifest.labels,
        languages=frozenset(map(language_of.same, manifest.languages)),
        expected=None if labels else expected_labels(manifest),
    )
    return rules.read(path, known)


class _Watcher:
    """Labels, judges and says; has the state, and replaces it for each answer."""

    def __init__(self, model: Model, rules: Rules, settings: argparse.Namespace) -> None:
        from edgekit.watching import acting, watch  # not for `--help`

        self._model, self._rules, self._watch = model, rules, watch
        self._labels, self._metrics = settings.labels, settings.metrics
        self._state = watch.begun(rules)
        self._do = {rule.name: rule.do for rule in rules.rules}
        self._detects = rules.need_languages
        self._saying = threading.Lock()
        self._actor = acting.Actor(self._failed)
        self.rows = self.refused = self.alarms = 0

    def see(self, incoming: Incoming | DataError) -> None:
        if isinstance(incoming, DataError):
            return self._refuse(incoming)
        try:
            answer = self._model.classify(incoming.text, labels=self._labels)
        except EdgekitError as error:
            if not is_of_a_row(error):
                raise
            return self._refuse(error, incoming.place)
        seen = self._seen(incoming, answer)
        self._state, events = self._watch.step(self._rules, self._state, seen)
        self.rows += 1
        for event in events:
            self.alarms += event.state == "began"
            self.say({"event": "alarm", **asdict(event)})
            self._actor.act(event, self._do[event.rule])
        if events or self.rows % METRICS_EVERY_ROWS == 0:
            self.write_metrics()

    def _seen(self, incoming: Incoming, answer: Answer) -> Seen:
        from edgekit.data import language_of
        from edgekit.watching.rules import Seen

        language = incoming.language and language_of.same(incoming.language)
        if language is None and self._detects:
            language = language_of.detect(incoming.text)
        return Seen(incoming.at, answer.labels, answer.abstained, language, incoming.source)

    def _refuse(self, error: EdgekitError, place: str = "") -> None:
        """A row without an answer is counted and said, and the stream goes on."""
        self.refused += 1
        said = str(error) if place in str(error) else f"{place}: {error}"
        self.say({"event": "refused", "why": said})

    def _failed(self, event: Event, why: str) -> None:
        self.say({"event": "failed", "rule": event.rule, "state": event.state, "why": why})

    def say(self, line: dict[str, Any]) -> None:
        """A JSON line on stdout, at once: somebody waits for it."""
        with self._saying:
            print_json(line)

    def write_metrics(self) -> None:
        from edgekit.system import machine
        from edgekit.watching.metrics import exposition

        if self._metrics is None:
            return
        found = exposition(self._watch.readings(self._rules, self._state))
        try:
            machine.write_safely(self._metrics, found.encode())
        except OSError as error:
            # A full disk must not end the warnings.
            why = f"{self._metrics}: the metrics cannot be written ({error.strerror})."
            self.say({"event": "failed", "why": why})

    def close(self) -> None:
        """Waits for the commands and webhooks that are under way."""
        self._actor.close()
        self.write_metrics()
