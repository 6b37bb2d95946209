"""One admitted call from its turn to its answer, while its client is watched. Knows no task."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.types import Receive

from edgekit.serving import asgi
from edgekit.serving.admission import Ride, Turn
from edgekit.serving.asgi import Answer
from edgekit.serving.shelf import Process, Shelf, Shelved
from edgekit.tasks.routes import Answered, Call, Together, Way


@dataclass(eq=False, slots=True, kw_only=True)
class Asked:
    """A request that was read, checked and let in."""

    number: str
    owner: str
    """Whose calls a model may remember: the id of a key."""
    one: Shelved
    call: Call
    together: Together | None = None
    began: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    first: float | None = None
    """Seconds until the first event of a stream."""
    way: Way | None = None
    together_with: int = 0
    """How many others were answered by the same run."""


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
        async with asked.one.line.turn(asked.owner, _ride(asked)) as turn:
            if turn.answer is not None:
                return cast("Answered", turn.answer)
            asked.waited = turn.waited
            if turn.others:
                return await self._for_all(asked, turn)
            async with self._shelf.process(asked.one, asked.owner) as process:
                loop = asyncio.get_running_loop()

                def tell(event: Mapping[str, Any]) -> None:
                    with contextlib.suppress(RuntimeError):  # the loop has ended
                        loop.call_soon_threadsafe(heard.put, event)

                asked.way = _way(asked, tell)
                return await loop.run_in_executor(
                    self._threads, asked.call.run, _verbs(process), asked.way
                )

    async def _for_all(self, asked: Asked, turn: Turn) -> Answered:
        """The answer of one, and with it those of the others of its turn."""
        several = [asked, *(other.ride.load for other in turn.others if other.ride is not None)]
        for one in several:
            one.together_with = len(turn.others)
        for one in several[1:]:
            one.waited = time.monotonic() - one.began
        # From here on this one's client may leave, and the others are answered all the same.
        ways = [_way(one, _nobody_listens) for one in several]
        asked.way = ways[0]
        try:
            async with self._shelf.process(asked.one, asked.owner) as process:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _answers, several, _verbs(process), ways
                )
        except BaseException as error:
            for other in turn.others:
                if not other.turn.done():
                    other.turn.set_exception(error)
            raise
        for other, answer in zip(turn.others, found[1:], strict=True):
            if other.turn.done():
                continue  # its client has left
            if isinstance(answer, BaseException):
                other.turn.set_exception(answer)
            else:
                other.turn.set_result(Turn(answer=answer))
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

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


def _ride(asked: Asked) -> Ride | None:
    kind = None if asked.together is None else asked.together.kind(asked.call)
    if kind is None:
        return None
    return Ride(kind, sum(map(len, asked.call.texts)), asked)


def _way(asked: Asked, tell: Callable[[Mapping[str, Any]], None]) -> Way:
    return Way(
        number=asked.number,
        model=asked.one.name,
        created=int(time.time()),
        seconds_waited=asked.waited,
        tell=tell,
    )


def _nobody_listens(event: Mapping[str, Any]) -> None:
    """Calls that are answered together are no streams."""


def _verbs(process: Process) -> Any:
    return process.model.verbs if process.model is not None else None


def _answers(
    several: Sequence[Asked], verbs: Any, ways: Sequence[Way]
) -> list[Answered | Exception]:
    """An answer for each, by one run; where that fails by one each, so that nobody's call is the
    reason why another's fails."""
    together = several[0].together
    if together is not None:
        with contextlib.suppress(Exception):
            return list(together.run([one.call for one in several], verbs, ways))
    found: list[Answered | Exception] = []
    for one, way in zip(several, ways, strict=True):
        try:
            found.append(one.call.run(verbs, way))
        except Exception as error:
            found.append(error)
    return found


def _ignored(work: asyncio.Task[Answered]) -> None:
    """A fault after the client has left is nobody's any more; asyncio would print it."""
    if not work.cancelled():
        work.exception()
