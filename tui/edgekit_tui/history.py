"""Past chats, kept in SQLite: searched, renamed, copied, deleted. Knows no model.

Words are found by their trigrams, which need neither spaces between words nor a list of letters, so
it works for every script (https://sqlite.org/fts5.html#the_trigram_tokenizer).
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.errors import DataError
from edgekit_tui.database import Database

Role = Literal["user", "assistant"]
MOST_FOUND = 200
_TRIGRAM = 3
_TITLE_LETTERS = 60
_AROUND = 40

MIGRATIONS = (
    (
        """CREATE TABLE chat (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            title TEXT NOT NULL,
            model TEXT NOT NULL,
            system TEXT NOT NULL,
            temperature REAL,
            max_tokens INTEGER,
            drop_oldest INTEGER NOT NULL,
            changed REAL NOT NULL
        )""",
        """CREATE TABLE turn (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            chat INTEGER NOT NULL REFERENCES chat (id) ON DELETE CASCADE,
            role TEXT NOT NULL,
            text TEXT NOT NULL,
            ended TEXT NOT NULL,
            tokens INTEGER NOT NULL
        )""",
        "CREATE INDEX turn_of_chat ON turn (chat, id)",
        "CREATE INDEX chat_changed ON chat (changed)",
        "CREATE VIRTUAL TABLE words USING fts5"
        "(text, content='turn', content_rowid='id', tokenize='trigram')",
        """CREATE TRIGGER turn_added AFTER INSERT ON turn BEGIN
            INSERT INTO words (rowid, text) VALUES (new.id, new.text);
        END""",
        """CREATE TRIGGER turn_removed AFTER DELETE ON turn BEGIN
            INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
        END""",
        """CREATE TRIGGER turn_changed AFTER UPDATE OF text ON turn BEGIN
            INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
            INSERT INTO words (rowid, text) VALUES (new.id, new.text);
        END""",
    ),
)


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """What a user chose for one chat; None leaves it to the model's authors."""

    system: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    drop_oldest: bool = False
    """Whether the oldest turns are left out where the model cannot read all of them."""


@dataclass(frozen=True, slots=True)
class Chat:
    id: int
    title: str
    model: str
    """The name of the artifact that answers."""
    changed: float
    """Seconds since 1970."""
    turns: int
    settings: ChatSettings
    found: str = ""
    """The match of a search, with some text around it."""


@dataclass(frozen=True, slots=True)
class Turn:
    id: int
    role: Role
    text: str
    ended: str = ""
    """Why an answer ended, as `edgekit.data.conversation.Ended` says; empty if it was cut off."""
    tokens: int = 0
    """Tokens of the model's context that the conversation took after this turn."""


class History:
    """Every change is on the disk when its call returns."""

    def __init__(self, path: Path | None, *, now: Callable[[], float] = time.time) -> None:
        """`path` None keeps nothing after the app has ended."""
        self._database = Database(path, MIGRATIONS)
        self._now = now

    @property
    def kept(self) -> bool:
        return self._database.path is not None

    def begin(self, model: str, settings: ChatSettings, text: str) -> Chat:
        """A new chat that begins with `text`, from which it takes its title."""
        with self._database.writing() as connection:
            number = _insert(
                connection,
                "INSERT INTO chat (title, model, system, temperature, max_tokens, drop_oldest,"
                " changed) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_title(text), model, *_values(settings), self._now()),
            )
            self._add(connection, number, "user", text)
        return self.chat(number)

    def say(self, chat: int, text: str, *, instead_of: int | None = None) -> Turn:
        """Adds what the user said; if asked, in place of a turn and everything after it."""
        with self._database.writing() as connection:
            if instead_of is not None:
                connection.execute(
                    "DELETE FROM turn WHERE chat = ? AND id >= ?", (chat, instead_of)
                )
            return self._add(connection, chat, "user", text)

    def answer(
        self, chat: int, text: str, *, turn: int | None, ended: str = "", tokens: int = 0
    ) -> Turn:
        """Keeps an answer, or more of the one in `turn`."""
        with self._database.writing() as connection:
            if turn is None:
                return self._add(connection, chat, "assistant", text, ended=ended, tokens=tokens)
            changed = connection.execute(
                "UPDATE turn SET text = ?, ended = ?, tokens = ? WHERE id = ? AND chat = ?",
                (text, ended, tokens, turn, chat),
            ).rowcount
            if not changed:
                raise DataError("This chat was changed by another app; open it again.")
            return Turn(turn, "assistant", text, ended, tokens)

    def _add(
        self,
        connection: sqlite3.Connection,
        chat: int,
        role: Role,
        text: str,
        *,
        ended: str = "",
        tokens: int = 0,
    ) -> Turn:
        number = _insert(
            connection,
            "INSERT INTO turn (chat, role, text, ended, tokens) VALUES (?, ?, ?, ?, ?)",
            (chat, role, text, ended, tokens),
        )
        connection.execute("UPDATE chat SET changed = ? WHERE id = ?", (self._now(), chat))
        return Turn(number, role, text, ended, tokens)

    def chat(self, number: int) -> Chat:
        """Raises DataError for one that was deleted."""
        rows = self._database.ask(f"{_CHATS} WHERE chat.id = ?", number)
        if not rows:
            raise DataError("This chat was deleted; choose another.")
        return _chat(rows[0])

    def chats(self) -> list[Chat]:
        """The latest ones, newest first."""
        rows = self._database.ask(f"{_CHATS} ORDER BY changed DESC, id DESC LIMIT {MOST_FOUND}")
        return [_chat(row) for row in rows]

    def search(self, query: str) -> list[Chat]:
        """The chats with every word of the query in their title, or in one of their turns."""
        words = query.split()
        long = " ".join(_quoted(word) for word in words if len(word) >= _TRIGRAM)
        short = [word for word in words if len(word) < _TRIGRAM]
        scan = " AND ".join(["instr(folded(text), folded(?))"] * len(short)) or "1"
        inside = (
            "SELECT * FROM turn WHERE id IN (SELECT rowid FROM words WHERE words MATCH ?)"
            f" AND {scan}"
            if long
            else f"SELECT * FROM turn WHERE {scan}"
        )
        titled = " AND ".join(["instr(folded(title), folded(?))"] * len(words)) or "1"
        rows = self._database.ask(
            f"WITH hit AS (SELECT chat, max(id) AS id FROM ({inside}) GROUP BY chat) "
            f"{_CHATS.replace('NULL', 'turn.text')} LEFT JOIN hit ON hit.chat = chat.id"
            " LEFT JOIN turn ON turn.id = hit.id"
            f" WHERE hit.id IS NOT NULL OR ({titled})"
            f" ORDER BY changed DESC, chat.id DESC LIMIT {MOST_FOUND}",
            *([long] if long else []), *short, *words,
        )  # fmt: skip
        return [_chat(row, words) for row in rows]

    def turns(
        self, chat: int, *, most: int | None, before: int | None = None, after: int | None = None
    ) -> list[Turn]:
        """In order: the last ones, the last ones before a turn, or the first ones after one.

        `most` None reads all of them.
        """
        if after is not None:
            order, condition, place = "", "id > ?", after
        else:
            order, condition = "DESC", "id < ?"
            place = before if before is not None else 2**63 - 1
        rows = self._database.ask(
            f"SELECT id, role, text, ended, tokens FROM turn WHERE chat = ? AND {condition}"
            f" ORDER BY id {order} LIMIT ?",
            chat, place, -1 if most is None else most,
        )  # fmt: skip
        found = [Turn(*row) for row in rows]
        return found[::-1] if order else found

    def question_before(self, chat: int, turn: int | None = None) -> Turn | None:
        """The last thing that the user said, or the last one before a turn."""
        rows = self._database.ask(
            "SELECT id, role, text, ended, tokens FROM turn WHERE chat = ? AND role = 'user'"
            " AND id < ? ORDER BY id DESC LIMIT 1",
            chat, turn if turn is not None else 2**63 - 1,
        )  # fmt: skip
        return Turn(*rows[0]) if rows else None

    def rename(self, chat: int, title: str) -> None:
        with self._database.writing() as connection:
            connection.execute("UPDATE chat SET title = ? WHERE id = ?", (title, chat))

    def set_settings(self, chat: int, settings: ChatSettings) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE chat SET system = ?, temperature = ?, max_tokens = ?, drop_oldest = ?"
                " WHERE id = ?",
                (*_values(settings), chat),
            )

    def set_model(self, chat: int, model: str) -> None:
        """The name of the artifact that answers from now on."""
        with self._database.writing() as connection:
            connection.execute("UPDATE chat SET model = ? WHERE id = ?", (model, chat))

    def fork(self, chat: int, title: str) -> Chat:
        """A copy that continues independently."""
        with self._database.writing() as connection:
            number = _insert(
                connection,
                "INSERT INTO chat (title, model, system, temperature, max_tokens, drop_oldest,"
                " changed) SELECT ?, model, system, temperature, max_tokens, drop_oldest, ?"
                " FROM chat WHERE id = ?",
                (title, self._now(), chat),
            )
            connection.execute(
                "INSERT INTO turn (chat, role, text, ended, tokens)"
                " SELECT ?, role, text, ended, tokens FROM turn WHERE chat = ? ORDER BY id",
                (number, chat),
            )
        return self.chat(number)

    def delete(self, chat: int) -> None:
        """Not a character of it stays on disk."""
        self._delete("id = ?", chat)

    def forget(self, older_than_seconds: float) -> int:
        """Deletes the chats not used for this long, with 0 all of them; returns their number."""
        if self._database.path is None or not self._database.path.exists():
            return 0
        # The clock may have been set back meanwhile: all means all.
        limit = self._now() - older_than_seconds if older_than_seconds else math.inf
        return self._delete("changed <= ?", limit)

    def _delete(self, condition: str, value: float) -> int:
        with self._database.writing() as connection:
            gone = connection.execute(f"DELETE FROM chat WHERE {condition}", (value,)).rowcount
            if gone:
                # Until its parts are merged, the index still holds words of deleted chats.
                connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        if gone:
            self._database.forget_deleted()
        return int(gone)

    def close(self) -> None:
        self._database.close()


_CHATS = (
    "SELECT chat.id, title, model, changed, system, temperature, max_tokens, drop_oldest,"
    " (SELECT count(*) FROM turn WHERE turn.chat = chat.id) AS turns, NULL AS found FROM chat"
)


def _insert(connection: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> int:
    """The number of the new row."""
    return int(connection.execute(statement, values).lastrowid or 0)


def _values(settings: ChatSettings) -> tuple[object, ...]:
    return settings.system, settings.temperature, settings.max_tokens, settings.drop_oldest


def _chat(row: sqlite3.Row, words: list[str] | None = None) -> Chat:
    settings = ChatSettings(
        row["system"], row["temperature"], row["max_tokens"], bool(row["drop_oldest"])
    )
    found = _around(row["found"], words[0]) if row["found"] and words else ""
    return Chat(
        row["id"], row["title"], row["model"], row["changed"], row["turns"], settings, found
    )


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_LETTERS else line[: _TITLE_LETTERS - 1].rstrip() + "…"


def _quoted(word: str) -> str:
    """Quoted for FTS5: nothing in it is an operator."""
    doubled = word.replace('"', '""')
    return f'"{doubled}"'


def _around(text: str, word: str) -> str:
    """The word with some text on both sides, on one line."""
    place = max(0, text.casefold().find(word.casefold()))
    begin, end = max(0, place - _AROUND), place + len(word) + _AROUND
    piece = " ".join(text[begin:end].split())
    return f"{'…' if begin else ''}{piece}{'…' if end < len(text) else ''}"
