"""What a task answers over HTTP: the contract of its routes.py. Knows no server and no model.

A task's `ROUTES` maps paths to Routes. Its `FORGET` erases what a loaded model remembers of earlier
calls, and is called before another key's turn; None where it remembers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from edgekit.artifact.manifest import Manifest
from edgekit.errors import DataError

Body = Mapping[str, Any]
"""JSON of a request that fits its Route's schema."""
Schema = Mapping[str, Any]
"""JSON Schema 2020-12."""

MOST_TEXTS = 2048
MOST_CHARACTERS = 1_000_000
"""Of one text of several; longer ones belong into a file, for edgekit's own commands."""
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
INPUT: Schema = {
    "description": "a text, or several",
    "anyOf": [
        _TEXT,
        {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_TEXTS},
    ],
}

Forget = Callable[[Any], None]
"""Takes a loaded artifact's verbs."""


class WrongField(DataError):
    """A field of a request that cannot be used; `field` names it, as in `messages[2].role`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Way:
    """What the server gives to a call while it runs. Thread-safe."""

    def __init__(
        self,
        *,
        number: str,
        model: str,
        created: int,
        seconds_waited: float,
        tell: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.number = number
        """Names this request: no other has the same."""
        self.model = model
        self.created = created
        """Unix time in seconds."""
        self.seconds_waited = seconds_waited
        self.tell = tell
        """Sends one event of a stream."""
        self.cancelled = False
        self._stop: Callable[[], None] | None = None
        self._lock = Lock()

    def stoppable(self, stop: Callable[[], None]) -> None:
        """From now on `stop` ends the model's work; called at once if that is over already."""
        with self._lock:
            self._stop = stop
            late = self.cancelled
        if late:
            stop()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        with self._lock:
            self.cancelled = True
            stop = self._stop
        if stop is not None:
            stop()


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a text got."""

    labels: tuple[str, ...]
    abstained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A whole answer, and what is counted of it."""

    body: Body
    """For a stream, what its events add up to; not sent."""
    prompt_tokens: int = 0
    tokens: int = 0
    reused_tokens: int = 0
    abstained: int = 0
    labelled: tuple[Labelled, ...] = ()
    """What each text got, of labels of the artifact's own; never of any that a request brought."""


class Call(Protocol):
    """One request that was read and checked."""

    @property
    def stream(self) -> bool:
        """Whether the answer is sent as events while it is made."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What people wrote: counted, and logged only where the operator asks for that."""

    def run(self, verbs: Any, way: Way) -> Answered:
        """Answers with a loaded artifact's verbs; stops soon after `way.cancel`."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that is sent in place of a request's `input`."""

    rows: int = 0
    """How many rows it may have, where it is a table of texts; 0: it is one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """How calls that wait at the same time are answered by one run, each as if it were alone.

    They may be of several keys: only for models that remember nothing (`FORGET` is None).
    """

    kind: Callable[[Call], Hashable | None]
    """Calls of the same kind can be; None: this one cannot."""
    run: Callable[[Sequence[Call], Any, Sequence[Way]], Sequence[Answered]]
    """Takes calls, a loaded artifact's verbs and the calls' ways; raises if any of them fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    verb: str
    """What keys allow and metrics count."""
    says: str
    """One line for the OpenAPI document."""
    request: Schema
    answer: Schema
    """Of a whole answer; the events of a stream are described in `says`."""
    read: Callable[[Body, Manifest], Call]
    """Raises WrongField or another EdgekitError."""
    explain: Callable[[Body], None] = lambda body: None
    """Raises WrongField before the schema is looked at, where more can be said than it says."""
    file: File | None = None
    """What a file may hold that is sent in place of `input`; None: none is taken."""
    together: Together | None = None
    has: Callable[[Manifest], bool] = lambda manifest: True
    """Whether an artifact of the task answers this."""


COUNTS: Schema = {
    "type": "object",
    "properties": {
        "parts_read": {"type": "integer", "description": "parts of the text that were read"},
        "parts": {"type": "integer", "description": "parts that the text has"},
        "abstained": {"type": "integer", "description": "answers below the least score"},
        "seconds_waited": {"type": "number"},
        "language_judged": {
            "type": ["boolean", "null"],
            "description": "whether the artifact was judged in the text's language; null where "
            "that language is unsure or was not looked for",
        },
    },
    "required": ["parts_read", "parts", "abstained", "seconds_waited", "language_judged"],
}


def counts(
    way: Way,
    *,
    parts_read: int = 1,
    parts: int = 1,
    abstained: int = 0,
    language_judged: bool | None = None,
) -> dict[str, Any]:
    """`usage.edgekit`: how an answer came about."""
    return {
        "parts_read": parts_read,
        "parts": parts,
        "abstained": abstained,
        "seconds_waited": round(way.seconds_waited, 3),
        "language_judged": language_judged,
    }
