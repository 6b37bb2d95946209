"""The artifacts of a server: loaded when first asked, unloaded where others need the memory.

Knows no HTTP. Everything here runs in the event loop's thread, but for loading and closing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from edgekit.artifact.folder import Artifact, read
from edgekit.errors import EdgekitError, OutOfMemoryBudget, WorkerError
from edgekit.model import Model, load
from edgekit.runtime.memory import needed_bytes
from edgekit.serving.admission import Line, Room
from edgekit.serving.refusals import Refusal
from edgekit.serving.settings import Settings
from edgekit.system import machine
from edgekit.tables import task_part
from edgekit.tasks.routes import Forget, Route
from edgekit.wording.units import parse_bytes

_HOUSEKEEPING = ""
"""Waits in line like a key."""


@dataclass(eq=False, slots=True)
class Process:
    """One process of a model, loaded or not yet."""

    at_once: int
    model: Model | None = None
    running: int = 0
    owner: str | None = None
    """Whose earlier calls it remembers."""


@dataclass(eq=False, slots=True)
class Shelved:
    """One artifact."""

    artifact: Artifact
    routes: Mapping[str, Route]
    line: Line
    processes: Sequence[Process]
    forget: Forget | None
    used: float = 0.0
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str:
        return self.artifact.manifest.name

    @property
    def loaded(self) -> bool:
        return any(process.model is not None for process in self.processes)

    @property
    def running(self) -> int:
        return sum(process.running for process in self.processes)


class Shelf:
    def __init__(self, settings: Settings) -> None:
        """Reads every manifest; raises EdgekitError for what can never be served."""
        self.room = Room(settings.waiting)
        self._settings = settings
        self._budget = None if settings.max_ram is None else _bytes(settings.max_ram)
        self.all = {one.name: one for one in map(self._shelved, settings.artifacts)}
        self._freed = asyncio.Condition()
        self._check(settings)

    @asynccontextmanager
    async def process(self, one: Shelved, owner: str) -> AsyncIterator[Process]:
        """A loaded process that has a place for one more call of `owner`; a turn must be held."""
        found = _best(one.processes, owner)
        found.running += 1
        try:
            await self._ready(one, found)
            if one.forget is not None and found.owner not in (None, owner):
                # Waits for the worker, so that nothing of another key's is there when this begins.
                await asyncio.to_thread(one.forget, _verbs(found))
            found.owner = owner
            yield found
        finally:
            found.running -= 1
            one.used = time.monotonic()
            async with self._freed:
                self._freed.notify_all()

    async def erase(self, known: frozenset[str]) -> None:
        """Makes models forget keys that are no longer there."""
        for one in self.all.values():
            for process in one.processes:
                stranger = process.owner is not None and process.owner not in known
                if one.forget is None or not stranger or process.running or not process.model:
                    continue
                async with one.line.turn(_HOUSEKEEPING):
                    if process.running == 0 and process.model is not None:
                        process.running += 1
                        try:
                            await asyncio.to_thread(one.forget, process.model.verbs)
                            process.owner = None
                        finally:
                            process.running -= 1

    async def close(self) -> None:
        for one in self.all.values():
            await self._unload(one)

    def needed(self, one: Shelved, processes: int = 1) -> int:
        chats = one.artifact.manifest.model.chat is not None
        context = self._settings.context if chats else None
        return processes * needed_bytes(one.artifact.manifest, context=context)

    def held_bytes(self, one: Shelved) -> int:
        """What the loaded processes of a model need, by its manifest."""
        return self.needed(one, sum(process.model is not None for process in one.processes))

    def _shelved(self, folder: Any) -> Shelved:
        artifact = read(folder)
        task = artifact.manifest.task
        at_once = min(int(task_part(task, "wire").AT_ONCE), machine.cores())
        # A model that answers several at once needs no second process.
        count = self._settings.slots if at_once == 1 else 1
        processes = [Process(at_once) for _ in range(count)]
        part = task_part(task, "routes")
        line = Line(count * at_once, self.room)
        routes = {
            path: route for path, route in part.ROUTES.items() if route.has(artifact.manifest)
        }
        return Shelved(artifact, routes, line, processes, part.FORGET)

    def _check(self, settings: Settings) -> None:
        if len(self.all) < len(settings.artifacts):
            names = sorted(read(folder).manifest.name for folder in settings.artifacts)
            twice = next(name for name, other in pairwise(names) if name == other)
            raise EdgekitError(
                f"Two artifacts are called '{twice}', and a request could mean either; serve one "
                "of them, or build the other under another name."
            )
        for one in self.all.values():
            needed = self.needed(one, len(one.processes))
            if self._budget is not None and needed > self._budget:
                raise OutOfMemoryBudget(
                    f"'{one.name}' needs {needed / 1e6:,.0f} MB with {len(one.processes)} "
                    f"processes and --max-ram allows {self._budget / 1e6:,.0f} MB; raise it, or "
                    "give fewer --slots or a smaller --context."
                )

    async def _ready(self, one: Shelved, process: Process) -> None:
        if process.model is not None:
            return
        async with one.loading:
            if process.model is None:
                await self._make_room(one)
                process.model = await asyncio.shield(asyncio.to_thread(self._load, one))

    async def _make_room(self, one: Shelved) -> None:
        """Unloads the models that were idle longest; waits for busy ones, but not forever."""
        deadline = time.monotonic() + self._settings.limits.memory_seconds
        needed = self.needed(one)
        while not self._fits(needed):
            idle = [other for other in self.all.values()
                    if other is not one and other.loaded and other.running == 0]  # fmt: skip
            if idle:
                await self._unload(min(idle, key=lambda other: other.used))
                continue
            busy = [other.line.seconds_ahead() for other in self.all.values() if other.running]
            left = deadline - time.monotonic()
            if left <= 0 or len(busy) <= 1:
                raise Refusal(
                    503, "out_of_memory",
                    f"There is too little memory for '{one.name}' while others answer; try again "
                    "later.", retry_after=min(busy, default=left),
                )  # fmt: skip
            async with self._freed:
                try:
                    await asyncio.wait_for(self._freed.wait(), left)
                except TimeoutError:
                    continue

    def _fits(self, needed: int) -> bool:
        if (
            self._budget is not None
            and sum(map(self.held_bytes, self.all.values())) + needed > self._budget
        ):
            return False
        return needed <= machine.available_memory_bytes()

    def _load(self, one: Shelved) -> Model:
        single = one.processes[0].at_once == 1
        threads = max(1, machine.cores() // len(one.processes)) if len(one.processes) > 1 else None
        return load(
            one.artifact.folder,
            isolate=True,
            threads=threads,
            context=self._settings.context
            if single and one.artifact.manifest.model.chat is not None
            else None,
        )

    async def _unload(self, one: Shelved) -> None:
        for process in one.processes:
            model, process.model, process.owner = process.model, None, None
            if model is not None:
                await asyncio.to_thread(model.close)


def _verbs(process: Process) -> Any:
    if process.model is None:
        raise WorkerError("This model was unloaded; ask again.")
    return process.model.verbs


def _best(processes: Sequence[Process], owner: str) -> Process:
    """One with a free place: best the one that knows this key, then one that knows nobody."""
    free = [process for process in processes if process.running < process.at_once]
    return min(
        free,
        key=lambda one: (one.owner != owner, one.owner is not None, one.model is None, one.running),
    )


def _bytes(size: str) -> int:
    try:
        return parse_bytes(size)
    except ValueError as error:
        raise EdgekitError(f"--max-ram: {error}") from error
