"""The file of keys: who may ask what, and how often. Holds hashes alone; knows no HTTP.

A key is 192 random bits, so that one round of SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError
from edgekit.system import machine
from edgekit.system.disk import told_when_full

PREFIX = "ek-"
METRICS = "metrics"
"""The verb of a key that may read /metrics, and nothing else reads it."""
MODE = 0o600
_NAME = re.compile(r"[\w .@-]{1,60}")
_FORM = 1


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    hash: str
    """SHA-256 of the key, in hex."""
    created: str
    models: tuple[str, ...] = ()
    """The artifacts that it may ask; empty: all."""
    verbs: tuple[str, ...] = ()
    """What it may ask; empty: all but the metrics."""
    per_minute: int | None = None
    tokens_a_day: int | None = None
    expires: str | None = None
    """The last day on which it works, as YYYY-MM-DD in UTC."""

    @property
    def id(self) -> str:
        """Names the key in logs, without telling whose it is."""
        return self.hash[:12]

    def expired(self, today: date) -> bool:
        return self.expires is not None and date.fromisoformat(self.expires) < today

    def may(self, verb: str, model: str | None) -> bool:
        spoken = verb in self.verbs if self.verbs else verb != METRICS
        return spoken and (model is None or not self.models or model in self.models)


def hashed(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def today() -> date:
    return datetime.now(UTC).date()


def add(path: Path, asked: Key) -> str:
    """Writes a new key into the file and returns it; this is the only time that it is seen."""
    if not _NAME.fullmatch(asked.name):
        raise EdgekitError(
            f"A key's name has 1 to 60 letters, digits, spaces and . @ - _, not {asked.name!r}."
        )
    secret = PREFIX + secrets.token_urlsafe(24)

    def change(known: tuple[Key, ...]) -> tuple[Key, ...]:
        if any(one.name == asked.name for one in known):
            raise EdgekitError(
                f"{path}: there is a key '{asked.name}' already; revoke it first, or name this "
                "one otherwise."
            )
        return (*known, replace(asked, hash=hashed(secret), created=today().isoformat()))

    _change(path, change)
    return secret


def revoke(path: Path, name: str) -> None:
    def change(known: tuple[Key, ...]) -> tuple[Key, ...]:
        left = tuple(one for one in known if one.name != name)
        if len(left) == len(known):
            there = ", ".join(one.name for one in known) or "none"
            raise EdgekitError(f"{path}: there is no key '{name}' (there are: {there}).")
        return left

    _change(path, change)


def read(path: Path) -> tuple[Key, ...]:
    """The keys of a file; none where it is not there. Raises EdgekitError for any other fault."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise EdgekitError(f"{path}: this cannot be read ({error.strerror}).") from error
    try:
        value = json.loads(data)
        if value["form"] != _FORM:
            raise ValueError("another form")
        return tuple(_key(one) for one in value["keys"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EdgekitError(
            f"{path}: this is not a file of keys as `edgekit keys add` writes it ({error}); give "
            "another, or move it away and add the keys again."
        ) from error


def _change(path: Path, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        told_when_full("the file of keys", path.parent, elsewhere="--keys"),
        machine.locked(path.with_name(f"{path.name}.lock")),
    ):
        value = {"form": _FORM, "keys": [asdict(one) for one in change(read(path))]}
        machine.write_safely(path, json.dumps(value, indent=1).encode(), mode=MODE)


def _key(value: Mapping[str, Any]) -> Key:
    found = Key(**{**value, "models": tuple(value["models"]), "verbs": tuple(value["verbs"])})
    if not re.fullmatch(r"[0-9a-f]{64}", found.hash):
        raise ValueError("a hash is damaged")
    found.expired(today())
    return found


class Keys:
    """The keys of a file, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: object = None
        self._known: tuple[Key, ...] = ()
        self.all()

    def all(self) -> tuple[Key, ...]:
        """Raises EdgekitError where the file cannot be read: nobody is let in then."""
        seen = self._state()
        if seen != self._seen:
            self._known = read(self._path)
            self._seen = seen
        return self._known

    def find(self, secret: str) -> Key | None:
        """The key with this secret; every hash is compared, in the same time."""
        asked = hashed(secret)
        found = [one for one in self.all() if hmac.compare_digest(one.hash, asked)]
        return found[0] if found else None

    def ids(self) -> frozenset[str]:
        return frozenset(one.id for one in _valid(self.all()))

    def _state(self) -> object:
        try:
            now = self._path.stat()
        except OSError:
            return "gone"
        return now.st_mtime_ns, now.st_size, now.st_ino


def _valid(known: Iterable[Key]) -> Iterable[Key]:
    day = today()
    return (one for one in known if not one.expired(day))
