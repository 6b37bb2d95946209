"""What is counted, for Prometheus. No label ever holds a key, an address or anybody's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_OF = ("task", "artifact", "verb")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests that were answered", _OF)
        self.refused = self._counter("refused", "Requests that were not", ("path", "code"))
        self.cancelled = self._counter("cancelled", "Requests whose client went", _OF)
        self.waited = self._histogram("waited_seconds", "From asking to one's turn", _OF)
        self.first = self._histogram("first_event_seconds", "From asking to the first event", _OF)
        self.seconds = self._histogram("seconds", "From asking to the end", _OF)
        self.tokens = self._counter("tokens", "Tokens read and written", (*_OF, "kind"))
        self.abstained = self._counter("abstained", "Answers below the least score", _OF)
        self.labels = self._counter("labels", "Labels of the artifact's own", (*_OF[:2], "label"))
        self._registry.register(Memory())
        self.running = Gauge(
            "edgekit_running", "Calls that models answer now", _OF[:2], registry=self._registry
        )

    def watch(self, read: Callable[[], list[tuple[str, str, dict[str, float]]]]) -> None:
        """`read` gives gauges at the time of asking: a name, what it says, values by artifact."""
        self._registry.register(_Watched(read))

    def add(self, collector: Collector) -> None:
        self._registry.register(collector)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def _counter(self, name: str, says: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"edgekit_{name}", says, labels, registry=self._registry)

    def _histogram(self, name: str, says: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(f"edgekit_{name}", says, labels, registry=self._registry, buckets=_SECONDS)


class Memory(Collector):
    """What the processes hold now. Shared pages count for each of them."""

    def collect(self) -> Iterator[Metric]:
        server = psutil.Process()
        family = GaugeMetricFamily(
            "edgekit_memory_bytes", "Memory held now (resident set size)", labels=["process"]
        )
        family.add_metric(["server"], server.memory_info().rss)
        workers = 0
        for child in server.children(recursive=True):
            with suppress(psutil.Error):  # it has ended meanwhile
                workers += child.memory_info().rss
        family.add_metric(["workers"], workers)
        yield family


class _Watched(Collector):
    def __init__(self, read: Callable[[], list[tuple[str, str, dict[str, float]]]]) -> None:
        self._read = read

    def collect(self) -> list[Metric]:
        found: list[Metric] = []
        for name, says, values in self._read():
            family = GaugeMetricFamily(f"edgekit_{name}", says, labels=["artifact"])
            for artifact, value in values.items():
                family.add_metric([artifact], value)
            found.append(family)
        return found
