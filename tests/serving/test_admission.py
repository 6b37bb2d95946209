"""Who is next: keys take turns, a bounded number waits, and a refusal says when to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edgekit.serving.admission import MOST_CHARACTERS, Line, Ride, Room, Turn
from edgekit.serving.refusals import Refusal


def played(play: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), 20))


class Callers:
    """Calls that hold a turn until they are told to end."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.turns: list[str] = []
        self.end = asyncio.Event()

    async def call(self, name: str, key: str) -> None:
        async with self.line.turn(key):
            self.turns.append(name)
            await self.end.wait()

    async def begin(self, *names: str) -> list[asyncio.Task[None]]:
        """One call for each name, whose first letter is its key."""
        tasks = [asyncio.create_task(self.call(name, name[0])) for name in names]
        for _ in range(5):
            await asyncio.sleep(0)
        return tasks


def test_keys_take_turns_however_much_one_asks() -> None:
    async def play() -> None:
        callers = Callers(Line(1, Room(10)))
        tasks = await callers.begin("a1", "a2", "a3", "a4", "b1", "c1", "b2")
        assert callers.turns == ["a1"]
        callers.end.set()
        await asyncio.gather(*tasks)
        assert callers.turns == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]
        assert (callers.line.running, callers.line.waiting) == (0, 0)

    played(play)


def test_a_full_room_refuses_and_says_when() -> None:
    async def play() -> None:
        callers = Callers(Line(1, Room(2)))
        tasks = await callers.begin("a1", "a2", "a3")
        with pytest.raises(Refusal) as refused:
            await callers.call("a4", "a")
        assert (refused.value.status, refused.value.code) == (503, "server_full")
        assert int(refused.value.headers["retry-after"]) >= 1
        callers.end.set()
        await asyncio.gather(*tasks)
        assert callers.turns == ["a1", "a2", "a3"]

    played(play)


def test_who_fills_the_room_gives_way_to_others() -> None:
    async def play() -> None:
        callers = Callers(Line(1, Room(3)))
        tasks = await callers.begin("a1", "a2", "a3", "a4", "b1")
        [gone] = [task for task in tasks if task.done()]
        assert gone is tasks[3]
        refused = gone.exception()
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.code) == (429, "key_waits_too_often")
        assert refused.retry_after is not None
        callers.end.set()
        await asyncio.gather(*tasks[:3], tasks[4])
        assert callers.turns == ["a1", "a2", "b1", "a3"]

    played(play)


def test_who_leaves_gives_its_place_and_its_turn_back() -> None:
    async def play() -> None:
        room = Room(2)
        callers = Callers(Line(1, room))
        first, second, third = await callers.begin("a1", "b1", "c1")
        second.cancel()
        await asyncio.sleep(0)
        assert room.waiting == {"c": 1}
        # Its turn has come, but it leaves before it hears of that.
        first.cancel()
        await asyncio.sleep(0)
        third.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert (callers.line.running, callers.line.waiting, room.waiting) == (0, 0, {})
        callers.end.set()
        await asyncio.gather(*await callers.begin("d1"))

    played(play)


def test_the_wait_is_measured() -> None:
    async def play() -> None:
        line = Line(2, Room(10))
        line._learn(8.0)
        callers = Callers(line)
        tasks = await callers.begin("a1", "a2", "a3")
        # One waits already: two turns of eight seconds, two at a time.
        assert line.seconds_ahead() == pytest.approx(8.0)
        callers.end.set()
        await asyncio.gather(*tasks)
        assert line.seconds_ahead() < 8.0 / 2

    played(play)


def test_lines_share_one_room() -> None:
    async def play() -> None:
        room = Room(1)
        callers, others = Callers(Line(1, room)), Callers(Line(1, room))
        tasks = [*await callers.begin("a1", "a2"), *await others.begin("a3")]
        with pytest.raises(Refusal):
            await others.call("a4", "a")
        for one in (callers, others):
            one.end.set()
        await asyncio.gather(*tasks)

    played(play)


class Riders:
    """Calls of which one answers, in its turn, those of its kind that wait."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.turns: list[list[str]] = []
        self.end = asyncio.Event()

    async def call(self, name: str, kind: str | None, characters: int = 10) -> str:
        ride = None if kind is None else Ride(kind, characters, name)
        async with self.line.turn(name[0], ride) as turn:
            if turn.answer is not None:
                return str(turn.answer)
            others = [other for other in turn.others if other.ride is not None]
            self.turns.append([name, *(other.ride.load for other in others if other.ride)])
            await self.end.wait()
            for other in others:
                if not other.turn.done():
                    other.turn.set_result(Turn(answer=f"{other.key} by {name}"))
            return name


def test_those_of_a_kind_that_wait_are_answered_within_one_turn() -> None:
    async def play() -> None:
        room = Room(20)
        riders = Riders(Line(1, room))
        asked = [("a0", "x"), ("a1", "x"), ("a2", "x"), ("b1", None), ("b2", "x"), ("c1", "x"),
                 ("c2", "y"), ("d1", "x"), ("a3", "x")]  # fmt: skip
        tasks = [asyncio.create_task(riders.call(*one)) for one in asked]
        await asyncio.sleep(0)
        assert riders.turns == [["a0"]]  # one alone waits for nobody
        riders.end.set()
        found = await asyncio.gather(*tasks)
        # Of each key the first, key after key; who cannot ride keeps its place before the others.
        assert riders.turns == [["a0"], ["a1", "c1", "d1", "a2", "a3"], ["b1"], ["c2"], ["b2"]]
        assert found[1:6] == ["a1", "a by a1", "b1", "b2", "c by a1"]
        assert (riders.line.running, riders.line.waiting, room.waiting) == (0, 0, {})

    played(play)


def test_a_turn_has_room_for_short_texts_alone() -> None:
    async def play() -> None:
        riders = Riders(Line(1, Room(9)))
        half = MOST_CHARACTERS // 2
        asked = [("a0", "x", 1), ("a1", "x", half), ("a2", "x", half), ("a3", "x", 1),
                 ("a4", "x", MOST_CHARACTERS + 1), ("a5", "x", 1)]  # fmt: skip
        tasks = [asyncio.create_task(riders.call(*one)) for one in asked]
        await asyncio.sleep(0)
        riders.end.set()
        await asyncio.gather(*tasks)
        assert riders.turns == [["a0"], ["a1", "a2"], ["a3"], ["a4"], ["a5"]]

    played(play)


def test_who_leaves_before_its_turn_begins_leaves_the_others_theirs() -> None:
    async def play() -> None:
        room = Room(9)
        riders = Riders(Line(1, room))
        names = ("a0", "a1", "a2", "b1")
        tasks = [asyncio.create_task(riders.call(name, "x")) for name in names]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        assert riders.line.waiting == 0  # the turn of a1, with the others, has come
        tasks[1].cancel()
        riders.end.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert riders.turns == [["a0"], ["b1", "a2"]]
        assert {type(one).__name__ for one in found[:2]} == {"CancelledError"}
        assert (riders.line.running, riders.line.waiting, room.waiting) == (0, 0, {})

    played(play)


def test_who_leaves_while_another_answers_it_is_left_out() -> None:
    async def play() -> None:
        riders = Riders(Line(1, Room(9)))
        tasks = [asyncio.create_task(riders.call(name, "x")) for name in ("a0", "a1", "a2", "a3")]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert riders.turns == [["a0"], ["a1", "a2", "a3"]]
        tasks[2].cancel()
        riders.end.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[1::2] == ["a1", "a by a1"]
        assert riders.line.running == 0

    played(play)
