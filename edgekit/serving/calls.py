"""One admitted call from its turn to its answer, while its client is watched. Knows no task."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive

from edgekit.serving import asgi
from edgekit.serving.asgi import Answer
from edgekit.serving.shelf import Shelf, Shelved
from edgekit.tasks.routes import Answered, Call, Way


@dataclass(eq=False, slots=True, kw_only=True)
class Asked:
    """A request that was read, checked and let in."""

    number: str
    owner: str
    """Whose calls a model may remember: the id of a key."""
    one: Shelved
    call: Call
    began: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    first: float | None = None
    """Seconds until the first event of a stream."""
    way: Way | None = None


class Calls:
    def __init__(self, shelf: Shelf, *, ping_seconds: float) -> None:
        self._shelf = shelf
        self._ping_seconds = ping_seconds
        places = sum(one.line.capacity for one in shelf.all.values())
        self._threads = ThreadPoolExecutor(max(1, places), thread_name_prefix="edgekit-call")

    async def answer(self, asked: Asked, answer: Answer, receive: Receive) -> Answered | None:
        """Sends the answer; None where the client left before its end. Raises what went wrong."""
        heard = _Heard(self._ping_seconds if asked.call.stream else None)
        work = asyncio.create_task(self._work(asked, heard))
        watch = asyncio.create_task(asgi.gone(receive))
        for task in (work, watch):
            task.add_done_callback(heard.wake)
        try:
            stays = await self._send(asked, answer, heard, work, watch)
            return await work if stays else None
        except ConnectionError:
            return None
        finally:
            heard.close()
            watch.cancel()
            self._stop(asked, work)
            # The slot is free again when the thread has left it, whoever waits for that.
            work.add_done_callback(_ignored)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _work(self, asked: Asked, heard: _Heard) -> Answered:
        loop = asyncio.get_running_loop()
        async with (
            asked.one.line.turn(asked.owner) as waited,
            self._shelf.process(asked.one, asked.owner) as process,
        ):
            asked.waited = waited

            def tell(event: Mapping[str, Any]) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(heard.put, event)

            asked.way = Way(
                number=asked.number,
                model=asked.one.name,
                created=int(time.time()),
                seconds_waited=waited,
                tell=tell,
            )
            verbs = process.model.verbs if process.model is not None else None
            return await loop.run_in_executor(self._threads, asked.call.run, verbs, asked.way)

    def _stop(self, asked: Asked, work: asyncio.Task[Answered]) -> None:
        """Ends what is left: one that waits leaves the line, one that runs is told to stop."""
        if work.done():
            return
        if asked.way is None:
            work.cancel()
        else:
            asked.way.cancel()

    async def _send(
        self,
        asked: Asked,
        answer: Answer,
        heard: _Heard,
        work: asyncio.Task[Answered],
        watch: asyncio.Task[None],
    ) -> bool:
        """Sends events as they come, until the end; False where the client left before."""
        while True:
            ended = work.done()
            events = heard.take()
            if watch.done():
                return False
            if events and asked.first is None:
                asked.first = time.monotonic() - asked.began
            if asked.call.stream and (events or heard.silent):
                if not answer.begun:
                    await answer.begin_stream()
                await answer.events(map(asgi.event, events) if events else [asgi.PING])
            if ended:
                break
            await heard.more()
        done = await work  # raises what went wrong, before or within a stream
        if not asked.call.stream:
            await answer.json(done.body)
        else:
            if not answer.begun:
                await answer.begin_stream()
            await answer.events([asgi.DONE], more=False)
        return True


class _Heard:
    """Events of a call, which wait to be sent."""

    def __init__(self, ping_seconds: float | None) -> None:
        """After `ping_seconds` without any, `silent` says so once."""
        self.silent = False
        self._events: list[Mapping[str, Any]] = []
        self._woken = asyncio.Event()
        self._ping_seconds = ping_seconds
        self._ping: asyncio.TimerHandle | None = None

    def put(self, event: Mapping[str, Any]) -> None:
        self._events.append(event)
        self._woken.set()

    def wake(self, task: object = None) -> None:
        self._woken.set()

    def take(self) -> list[Mapping[str, Any]]:
        found, self._events = self._events, []
        return found

    async def more(self) -> None:
        """Returns when something has happened since `take`, or nothing for a while."""
        self.silent = False
        if not self._woken.is_set() and self._ping_seconds is not None:
            self._ping = asyncio.get_running_loop().call_later(
                self._ping_seconds, self._fall_silent
            )
        await self._woken.wait()
        self._woken.clear()
        self.close()

    def close(self) -> None:
        if self._ping is not None:
            self._ping.cancel()
            self._ping = None

    def _fall_silent(self) -> None:
        self.silent = True
        self._woken.set()


def _ignored(work: asyncio.Task[Answered]) -> None:
    """A fault after the client has left is nobody's any more; asyncio would print it."""
    if not work.cancelled():
        work.exception()
