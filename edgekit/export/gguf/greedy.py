"""A GGUF's first tokens with greedy decoding. Runs it in a child process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data.rows import Message
from edgekit.export.gguf import documents
from edgekit.system import child, machine
from edgekit.system.serving import Verb

_MODULE = "edgekit.export.gguf.greedy"


@dataclass(frozen=True, slots=True)
class Continued:
    """The greedily chosen tokens, one after another, and each one's lead over the runner-up."""

    tokens: tuple[int, ...]
    margins: tuple[float, ...]
    """Differences of log-probability, in nats."""


def answers(
    model: Path, prompts: Sequence[Sequence[Message] | str], *, count: int, threads: int
) -> list[Continued]:
    """The first `count` tokens of the answer to each conversation, up to the end of the turn.

    A prompt that is a text is continued as it is. One that spells a special token is read by some
    as this token and by others as letters: it has no answer. Raises ExportError.
    """
    request = {"model": model, "prompts": list(prompts), "count": count, "threads": threads}
    found = child.ask(_MODULE, "answer", request, doing=f"gguf: asking {model.name}")
    return [Continued(tuple(one["tokens"]), tuple(one["margins"])) for one in found["answers"]]


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import opening  # llama.cpp may crash: only a child loads it

    with opening.open_model(Path(request["model"])) as model:
        facts = opening.facts(model)
        asked = [_tokens(model, prompt, facts) for prompt in request["prompts"]]
        longest = max(map(len, asked)) + request["count"]
        with opening.open_context(model, tokens=longest, threads=request["threads"]) as reader:
            found = [
                _continue(reader, tokens, request["count"], partial(opening.is_end, model))
                for tokens in asked
            ]
    return {"answers": found, "peak_bytes": machine.peak_rss_bytes()}


def _tokens(model: Any, prompt: Sequence[Message] | str, facts: Any) -> list[int]:
    """The tokens of a prompt; none where it spells a special token."""
    from edgekit.export.gguf import opening  # as above

    texts = [prompt] if isinstance(prompt, str) else [turn["content"] for turn in prompt]
    if any(opening.spells_special(model, text) for text in texts):
        return []
    if isinstance(prompt, str):
        return opening.tokenize(model, prompt, special=False)
    text = documents.rendered(prompt, facts, answer_next=True)
    return opening.tokenize(model, text, special=True)


def _continue(reader: Any, prompt: list[int], count: int, is_end: Any) -> dict[str, Any]:
    if not prompt:
        return {"tokens": [], "margins": []}
    reader.forget()
    for start in range(0, len(prompt), reader.most):
        logits = reader.logits(prompt[start : start + reader.most])[-1]
    tokens: list[int] = []
    margins: list[float] = []
    while True:
        second, first = np.argpartition(logits, -2)[-2:]
        tokens.append(int(first))
        margins.append(float(logits[first] - logits[second]))
        if len(tokens) == count or is_end(first):
            return {"tokens": tokens, "margins": margins}
        logits = reader.logits([tokens[-1]])[-1]


VERBS: Mapping[str, Verb] = {"answer": _answer}
