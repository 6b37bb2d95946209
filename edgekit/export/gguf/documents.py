"""From rows to the tokens that a GGUF reads, in windows. Runs its tokenizer in a child process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.data.places import placed
from edgekit.data.rows import Row
from edgekit.errors import ExportError
from edgekit.system import child
from edgekit.system.serving import Verb

if TYPE_CHECKING:
    from edgekit.export.gguf.opening import Facts

_MODULE = "edgekit.export.gguf.documents"


@dataclass(frozen=True, slots=True)
class Documents:
    """Rows as tokens. A row longer than a window takes several, each read from its beginning."""

    tokens: tuple[tuple[int, ...], ...]
    """The token ids of each window, at least two."""
    rows: tuple[int, ...]
    """The number of each window's row; rows of fewer than two tokens have none."""
    facts: Mapping[str, Any]
    """What the model says about itself: opening.Facts as JSON."""

    @property
    def count(self) -> int:
        return sum(map(len, self.tokens))


def read(model: Path, rows: Sequence[Row], *, window: int) -> Documents:
    """Conversations are rendered by the model's own chat template, texts are read unchanged.

    A window has at most `window` tokens, and begins with the token that the model wants at the
    start of texts, if any. Raises ExportError for a conversation that the model has no template
    for.
    """
    found = _asked(model, rows, window=window)
    return Documents(
        tokens=tuple(map(tuple, found["tokens"])), rows=tuple(found["rows"]), facts=found["facts"]
    )


def prompts(model: Path, rows: Sequence[Row]) -> list[list[int]]:
    """Each row up to where the model's answer begins, whole; texts are to be continued."""
    return list(_asked(model, rows, window=None)["tokens"])


def _asked(model: Path, rows: Sequence[Row], *, window: int | None) -> dict[str, Any]:
    request = {
        "model": model,
        "rows": [{"text": row.text, "messages": row.messages, "place": row.place} for row in rows],
        "window": window,
    }
    return child.ask(_MODULE, "read", request, doing=f"gguf: reading texts with {model.name}")


def _read(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import opening  # llama.cpp may crash: only a child loads it

    tokens, numbers = [], []
    with opening.open_model(Path(request["model"]), vocabulary_only=True) as model:
        facts = opening.facts(model)
        for number, row in enumerate(request["rows"]):
            told, whole = bool(row["messages"]), request["window"] is None
            with placed(row["place"]):
                text = rendered(row["messages"], facts, answer_next=whole) if told else row["text"]
            found = opening.tokenize(model, text, special=told)
            for window in [found] if whole else _windows(found, request["window"], facts):
                tokens.append(window)
                numbers.append(number)
    return {"tokens": tokens, "rows": numbers, "facts": asdict(facts)}


def rendered(messages: Sequence[Mapping[str, str]], facts: Facts, *, answer_next: bool) -> str:
    """A conversation as the model reads it; with `answer_next` up to where its answer begins."""
    from edgekit.runtime import rendering  # jinja2 is an extra

    if not facts.template:
        raise ExportError(rendering.NO_TEMPLATE)
    return rendering.render_row(
        facts.template, messages, bos=facts.bos, eos=facts.eos, answer_next=answer_next
    )


def _windows(tokens: list[int], window: int, facts: Facts) -> Iterator[list[int]]:
    """The tokens in parts of at most `window`; a single token left over is not worth reading."""
    first = [facts.bos_id] if facts.add_bos and tokens[:1] == [facts.bos_id] else []
    rest = tokens[len(first) :]
    size = window - len(first)
    for start in range(0, len(rest), size):
        part = first + rest[start : start + size]
        if len(part) >= 2:
            yield part


VERBS: Mapping[str, Verb] = {"read": _read}
