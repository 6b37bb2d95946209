"""Calls that wait are answered by one run: as if each were alone, whatever the others get."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edgekit
from edgekit import tables
from edgekit.artifact.folder import read
from edgekit.errors import DataError
from edgekit.serving.calls import Asked, _answers
from edgekit.serving.settings import Settings
from edgekit.serving.shelf import Shelf
from edgekit.tasks.classification.routes import ROUTES
from edgekit.tasks.routes import Answered, Call, Together, Way
from tests.serving.running import Running
from tests.tiny.artifact import TEXTS, make_artifact

PATH = "/v1/classify"
LONGEST = 2048


class Said:
    """A call whose answer is its text; one that says 'no' fails."""

    stream = False

    def __init__(self, text: str) -> None:
        self.texts = (text,)

    def run(self, verbs: Any, way: Way) -> Answered:
        if self.texts == ("no",):
            raise DataError("It says no.")
        return Answered(body={"alone": self.texts[0]})


def run(calls: Sequence[Call], verbs: Any, ways: Sequence[Way]) -> list[Answered]:
    if any(call.texts == ("no",) for call in calls):
        raise DataError("One of them says no.")
    return [Answered(body={"together": call.texts[0]}) for call in calls]


def answered(folder: Path, *texts: str) -> list[Any]:
    one = Shelf(Settings(artifacts=(folder,))).all["tiny-intents"]
    together = Together(kind=lambda call: "said", run=run)
    asked = [
        Asked(number=text, owner="", one=one, call=Said(text), together=together) for text in texts
    ]
    ways = [Way(number=text, model="", created=0, seconds_waited=0.0, tell=print) for text in texts]
    return [
        found.body if isinstance(found, Answered) else str(found)
        for found in _answers(asked, None, ways)
    ]


def test_a_call_that_fails_is_no_reason_for_the_others_to(made_artifact: Path) -> None:
    assert answered(made_artifact, "yes", "well") == [{"together": "yes"}, {"together": "well"}]
    assert answered(made_artifact, "yes", "no", "well") == [
        {"alone": "yes"}, "It says no.", {"alone": "well"},
    ]  # fmt: skip


def test_several_at_once_are_to_the_bit_what_each_is_alone(tmp_path: Path) -> None:
    # Dynamic int8 scales its activations over what is read together: nothing may be.
    folder = make_artifact(tmp_path / "wide-onnx", width=64)
    long = " ".join(TEXTS) * 2  # of several windows
    bodies = [{"input": text} for text in (*TEXTS, long)] + [{"input": list(TEXTS[:3])}]
    manifest = read(folder).manifest
    route = ROUTES[PATH]
    assert route.together is not None
    calls = [route.read(body, manifest) for body in bodies]
    assert len({route.together.kind(call) for call in calls}) == 1
    sterner = route.read({"input": "lamp", "abstain_below": 0.9}, manifest)
    assert route.together.kind(sterner) != route.together.kind(calls[0])
    ways = [Way(number="", model="m", created=0, seconds_waited=0.0, tell=print) for _ in calls]
    for isolate in (False, True):
        with edgekit.load(folder, isolate=isolate) as model:
            alone = [call.run(model.verbs, way) for call, way in zip(calls, ways, strict=True)]
            assert list(route.together.run(calls, model.verbs, ways)) == alone
    assert alone[-2].body["usage"]["edgekit"]["parts"] > 1


def test_what_waits_is_answered_together_and_as_it_is_alone(server: Running) -> None:
    wanted = {text: server.ask(PATH, _body(text)).json["data"] for text in TEXTS}
    for _ in range(10):
        found = _all_at_once(server)
        assert [(text, data) for text, data in found if data != wanted[text]] == []
        if any(line.get("together_with") for line in list(server.lines)):
            return
    raise AssertionError("Nothing was answered together.")


def _body(text: str) -> dict[str, Any]:
    return {"model": "tiny-intents", "input": text}


def _all_at_once(server: Running) -> list[tuple[str, Any]]:
    """What short texts get while long calls keep every core."""
    found: list[tuple[str, Any]] = []

    def ask(text: str) -> None:
        found.append((text, server.ask(PATH, _body(text)).json["data"]))

    long = {"model": "tiny-intents", "input": [" ".join(TEXTS)] * LONGEST}
    threads = [threading.Thread(target=server.ask, args=(PATH, long)) for _ in range(2)]
    threads += [threading.Thread(target=ask, args=(text,)) for text in TEXTS * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_only_what_remembers_nothing_answers_several_keys_at_once() -> None:
    for name in tables.TASKS:
        part = tables.task_part(name, "routes")
        together = [path for path, route in part.ROUTES.items() if route.together is not None]
        assert part.FORGET is None or together == [], name
