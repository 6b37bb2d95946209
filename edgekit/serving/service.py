"""What all requests of a server share, and who is let in. Knows no path and no task."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from itertools import count

from jsonschema import Draft202012Validator
from starlette.requests import Request
from starlette.types import Scope

from edgekit.errors import EdgekitError
from edgekit.serving.calls import Calls
from edgekit.serving.events import Log, Write
from edgekit.serving.keys import Key, Keys, today
from edgekit.serving.metrics import Metrics
from edgekit.serving.quota import Quota
from edgekit.serving.refusals import Refusal
from edgekit.serving.settings import Settings
from edgekit.serving.shelf import Shelf
from edgekit.serving.watched import Gauges, Watcher

HOUSEKEEPING_SECONDS = 5.0


class Service:
    """What all requests share."""

    def __init__(self, settings: Settings, write: Write) -> None:
        self.settings = settings
        self.shelf = Shelf(settings)
        self.keys = None if settings.keys is None else Keys(settings.keys)
        self.quota = Quota()
        self.metrics = Metrics()
        self.log = Log(settings.log, write)
        self.calls = Calls(self.shelf, ping_seconds=settings.limits.ping_seconds)
        self.validators = {
            id(route): Draft202012Validator(route.request)
            for one in self.shelf.all.values()
            for route in one.routes.values()
        }
        self.watchers = {
            name: Watcher(name, rules, self.log.tell) for name, rules in settings.rules.items()
        }
        self.ready = False
        self._begun, self._count = secrets.token_hex(8), count()
        self.metrics.watch(self._gauges)
        if self.watchers:
            self.metrics.add(Gauges(self.watchers))

    def number(self) -> str:
        """Names a request: no other has the same, of this server or of another. To ask the system
        for each would let go of Python's lock, which takes longer than much of what is answered."""
        return f"{self._begun}{next(self._count):08x}"

    def key(self, scope: Scope) -> Key | None:
        """Who asks; None where nobody needs a key. Raises Refusal."""
        if self.keys is None:
            return None
        given = Request(scope).headers.get("authorization", "")
        kind, _, secret = given.partition(" ")
        try:
            found = self.keys.find(secret.strip()) if kind.lower() == "bearer" else None
        except EdgekitError as error:
            self.log.tell("keys_unreadable", {"why": str(error)})
            raise Refusal(
                503, "keys_unreadable", "The file of keys cannot be read; see the server's log.",
                retry_after=30,
            ) from error  # fmt: skip
        if found is None:
            raise Refusal(
                401, "invalid_api_key",
                "This server needs a key, as the header 'Authorization: Bearer ek-…'; whoever runs "
                "it can make one with: edgekit keys add NAME",
            )  # fmt: skip
        if found.expired(today()):
            raise Refusal(401, "expired_api_key", f"This key expired after {found.expires}.")
        return found

    async def close(self) -> None:
        await self.shelf.close()
        self.calls.close()
        for watcher in self.watchers.values():
            await asyncio.to_thread(watcher.close)

    async def keep_house(self) -> None:
        """Erases what belongs to keys that are gone."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            with suppress(EdgekitError):
                if self.keys is not None:
                    known = self.keys.ids()
                    self.quota.forget(known)
                    await self.shelf.erase(known)

    def _gauges(self) -> list[tuple[str, str, dict[str, float]]]:
        all_of_them = self.shelf.all.values()
        return [
            ("waiting", "Calls that wait for their turn",
             {one.name: float(one.line.waiting) for one in all_of_them}),
            ("loaded", "Processes that hold the model",
             {one.name: float(sum(process.model is not None for process in one.processes))
              for one in all_of_them}),
            ("needed_bytes", "Memory that the loaded models need, by their manifests",
             {one.name: float(self.shelf.held_bytes(one)) for one in all_of_them}),
        ]  # fmt: skip
