"""Rules on the labels that a server gives: lines in its log, gauges, commands, webhooks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from threading import Lock
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edgekit.data import language_of
from edgekit.tasks.routes import Labelled
from edgekit.watching import watch
from edgekit.watching.acting import Actor
from edgekit.watching.rules import Event, Reading, Rules, Seen

Tell = Callable[[str, Mapping[str, Any]], None]
"""Takes a line of the log."""
_GAUGES = (
    ("value", "What a rule compares: a share, a number, or a distance"),
    ("rows", "Texts in a rule's window"),
    ("alarm", "1 while a rule gives an alarm"),
)


class Watcher:
    """The rules of one artifact, and where they stand. Thread-safe."""

    def __init__(self, artifact: str, rules: Rules, tell: Tell) -> None:
        self.artifact = artifact
        self._rules, self._tell = rules, tell
        self._do = {rule.name: rule.do for rule in rules.rules}
        self._state = watch.begun(rules)
        self._seeing = Lock()
        self._actor = Actor(self._failed)

    def see(self, texts: Sequence[str], labelled: Sequence[Labelled]) -> None:
        """What each text got; its words are looked at for their language alone."""
        detects = self._rules.need_languages
        languages = [language_of.detect(text) if detects else None for text in texts]
        with self._seeing:
            for one, language in zip(labelled, languages, strict=True):
                seen = Seen(time.time(), one.labels, one.abstained, language)
                self._state, events = watch.step(self._rules, self._state, seen)
                for event in events:
                    self._tell("alarm", {"artifact": self.artifact, **asdict(event)})
                    self._actor.act(event, self._do[event.rule])

    def readings(self) -> list[Reading]:
        """Where every rule stands."""
        with self._seeing:
            return list(watch.readings(self._rules, self._state))

    def close(self) -> None:
        """Waits for the commands and webhooks that are under way."""
        self._actor.close()

    def _failed(self, event: Event, why: str) -> None:
        self._tell("alarm_not_passed_on", {"artifact": self.artifact, "rule": event.rule,
                                           "state": event.state, "why": why})  # fmt: skip


class Gauges(Collector):
    """Where the rules of all artifacts stand, for Prometheus."""

    def __init__(self, watchers: Mapping[str, Watcher]) -> None:
        self._watchers = watchers

    def collect(self) -> Iterator[Metric]:
        found = {name: one.readings() for name, one in self._watchers.items()}
        for name, says in _GAUGES:
            labels = ["artifact", "rule", "language"]
            family = GaugeMetricFamily(f"edgekit_watch_{name}", says, labels=labels)
            for artifact, readings in found.items():
                for one in readings:
                    of = [artifact, one.rule, one.group or ""]
                    family.add_metric(of, float(getattr(one, name)))
            yield family
