"""The app's SQLite file: private, migrated, shared with other running apps. Knows no tables.

Write-ahead logging lets one app write while others read; every commit is synced, so that whatever
was acknowledged survives a power cut (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from edgekit.errors import DataError, EdgekitError, OutOfDisk
from edgekit_tui import places

# How long to wait for another app that is writing.
LOCK_SECONDS = 5.0
Migration = Sequence[str]
"""Statements that bring a database from one version to the next."""


class Database:
    """Any thread may ask; queries run one at a time. Opened on first use."""

    def __init__(self, path: Path | None, migrations: Sequence[Migration]) -> None:
        """`path` None keeps everything in memory, and nothing once it is closed."""
        self.path = path
        self._migrations = migrations
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def ask(self, question: str, *values: object) -> list[sqlite3.Row]:
        with self._answering() as connection:
            return connection.execute(question, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: everything inside is done, or nothing."""
        with self._answering() as connection, _transaction(connection):
            yield connection

    def forget_deleted(self) -> None:
        """Removes deleted data from the file and its log; another app that reads may delay that."""
        with self._answering() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _answering(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._opened()
            except sqlite3.Error as error:
                raise self._sentence(error) from error
            except OSError as error:
                raise EdgekitError(
                    f"{error.filename or self.path}: this cannot be written ({error.strerror}); "
                    "make room, or set EDGEKIT_DATA to a folder of yours."
                ) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = _connect(self.path)
            try:
                self._bring_up_to_date(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        known = len(self._migrations)
        if _version(connection) == known:
            return
        with _transaction(connection):
            # Checked again: another app may have done it while this one waited.
            version = _version(connection)
            if version > known:
                raise EdgekitError(
                    f"{self.path}: a newer edgekit wrote this file; "
                    "pip install --upgrade 'edgekit[tui]'"
                )
            for migration in self._migrations[version:]:
                for statement in migration:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {known}")

    def _sentence(self, error: sqlite3.Error) -> EdgekitError:
        said = str(error)
        if "locked" in said or "busy" in said:
            return DataError(
                f"{self.path}: another program holds this file ({said}); close it and try again."
            )
        if "full" in said or "disk I/O" in said:
            return OutOfDisk(
                f"{self.path}: this cannot be kept ({said}); make room on the disk and try again, "
                "what was kept before is safe."
            )
        if isinstance(error, sqlite3.IntegrityError):
            return DataError(
                f"{self.path}: what this belongs to was deleted meanwhile; choose another."
            )
        return DataError(
            f"{self.path}: this file cannot be used ({said}); move it to another place, and a new "
            "one is begun."
        )


def copy(path: Path, out: Path) -> None:
    """A copy of a database as it is now, even while another app writes to it."""
    with closing(sqlite3.connect(path)) as there, closing(_connect(out)) as here:
        there.backup(here)


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        places.private_folder(path.parent)
        # SQLite gives the log beside it the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, places.FILE_MODE))
        path.chmod(places.FILE_MODE)
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=LOCK_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.create_function("folded", 1, _folded, deterministic=True)
        for setting in _SETTINGS:
            connection.execute(setting)
    except BaseException:
        connection.close()
        raise
    return connection


_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)


def _folded(text: Any) -> str:
    """SQLite's own lower() knows only ASCII."""
    return str(text).casefold()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
