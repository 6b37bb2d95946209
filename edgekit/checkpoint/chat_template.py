"""A checkpoint's chat template, and the proof that the runtime renders it right. Runs no model.

The runtime renders templates itself. Here a table of conversations is rendered by it and by
transformers, in a subprocess, and both must produce the same text.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.errors import CheckpointError, ExportError, TemplateError
from edgekit.system import child
from edgekit.system.serving import Verb

Message = dict[str, str]
_MODULE = "edgekit.checkpoint.chat_template"
_ANSWER = "It is forty-two."
# llama.cpp always reports some token as bos; templates must not see one that the model lacks.
_NO_BOS = "{%- set bos_token = '' -%}"
_ODD = "  Two\n\nparagraphs, {{ braces }} {% raw %} <|tags|> 'quotes' \"\\n\", ünï©ode 中文 😀 \t"
CONVERSATIONS: tuple[list[Message], ...] = tuple(
    [{"role": role, "content": content} for role, content in conversation]
    for conversation in (
        [("user", "What is six times seven?")],
        [("user", "What is six times seven?"), ("assistant", _ANSWER)],
        [("system", "Answer in one sentence."), ("user", "Who are you?")],
        [("user", "Hi"), ("assistant", "Hello!"), ("user", "And you?")],
        [("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c"),
         ("assistant", "d")],
        [("user", _ODD), ("assistant", _ODD), ("user", _ODD)],
        [("user", ""), ("assistant", ""), ("user", " ")],
        [("assistant", "I begin."), ("user", "Go on.")],
        [("user", "one"), ("user", "two")],
    )
)  # fmt: skip
_NAMES_A_TOKEN = re.compile(r"<\|[\w ]{1,40}\|>|<(?:start|end)_of_turn>|\[/?INST\]")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The conversations that a template accepts, as texts and as the checkpoint's token ids."""

    template: str
    """The template as it is in the GGUF file."""
    texts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    refused: int
    """How many conversations the template refuses, here and in transformers alike."""
    end: int | None
    """The token that ends an answer; None if the template writes none."""
    strange: tuple[str, ...]
    """Texts that look like special tokens but are read as plain text."""


def read(checkpoint: Path) -> str | None:
    """The chat template, from where transformers looks for it; None if there is none."""
    path = checkpoint / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        path = checkpoint / name
        told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        found = told.get("chat_template")
        if isinstance(found, list):
            found = {one["name"]: one["template"] for one in found}.get("default")
        if found is not None:
            return str(found)
    return None


def render(checkpoint: Path, template: str, *, bos: str, eos: str) -> Rendered:
    """Raises ExportError if the runtime renders a conversation differently from transformers."""
    told = template if bos or "bos_token" not in template else _NO_BOS + template
    request = {"checkpoint": checkpoint, "template": told, "bos": bos, "eos": eos}
    done = child.ask(_MODULE, "render", request, doing="gguf: rendering the chat template")
    tokenizer = tokenizing.load(checkpoint)
    for one in done["conversations"]:
        if one["ours"] != one["theirs"]:
            raise ExportError(
                f"{checkpoint}: the chat template renders {one['messages']!r:.200} as "
                f"{one['ours']!r:.200} where transformers renders {one['theirs']!r:.200}; simplify "
                "the template, or use that of the checkpoint's base model."
            )
    texts = tuple(one["ours"] for one in done["conversations"] if one["ours"] is not None)
    if not texts:
        raise CheckpointError(
            f"{checkpoint}: its chat template refuses every conversation, also "
            f"{CONVERSATIONS[0]!r}; use the template that the model's authors published."
        )
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return Rendered(
        template=told,
        texts=texts,
        ids=tuple(tuple(one.ids) for one in encoded),
        refused=len(done["conversations"]) - len(texts),
        end=_end(texts, tokenizer),
        strange=tuple(sorted(_strange(texts, tokenizer))),
    )


def notes(rendered: Rendered | None) -> list[str]:
    """What a person should know about a template, or about its absence."""
    if rendered is None:
        return [
            "there is no chat template, so that the model continues texts and does not converse; "
            "where it was trained to, add the template as chat_template.jinja"
        ]
    found = []
    if rendered.strange:
        found.append(
            f"the chat template writes {', '.join(rendered.strange)}, which the tokenizer reads as "
            "plain text: was it trained with other tokens?"
        )
    if rendered.end is None:
        found.append("the chat template sets no token behind an answer")
    return found


def _end(texts: Sequence[str], tokenizer: Tokenizer) -> int | None:
    """The first special token after the answer that ends a conversation."""
    added = {token.content: number for number, token in _added(tokenizer)}
    for text in texts:
        _, found, behind = text.rpartition(_ANSWER)
        places = {behind.find(token): number for token, number in added.items() if token in behind}
        if found and places:
            return places[min(places)]
    return None


def _strange(texts: Sequence[str], tokenizer: Tokenizer) -> set[str]:
    known = {token.content for _, token in _added(tokenizer)}
    plain = {found for message in CONVERSATIONS[5] for found in _tokens_in(message["content"])}
    return {found for text in texts for found in _tokens_in(text)} - known - plain


def _tokens_in(text: str) -> list[str]:
    return _NAMES_A_TOKEN.findall(text)


def _added(tokenizer: Tokenizer) -> Sequence[tuple[int, Any]]:
    return list(tokenizer.get_added_tokens_decoder().items())


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the subprocess."""
    os.environ["USE_TORCH"] = "0"  # transformers would import it, which takes seconds
    from transformers import PreTrainedTokenizerFast

    # transformers looks for chat_template.jinja and the others itself, which proves `read`, too.
    theirs = PreTrainedTokenizerFast.from_pretrained(request["checkpoint"], local_files_only=True)
    return {
        "conversations": [
            {
                "messages": messages,
                "ours": _ours(messages, request, prompt=prompt),
                "theirs": _theirs(messages, request, theirs, prompt=prompt),
            }
            for messages in CONVERSATIONS
            for prompt in (False, True)
        ]
    }


def _ours(messages: list[Message], request: Mapping[str, Any], *, prompt: bool) -> str | None:
    from edgekit.runtime import rendering  # jinja2

    try:
        return rendering.render(
            request["template"],
            messages,
            bos=request["bos"],
            eos=request["eos"],
            add_generation_prompt=prompt,
        )
    except TemplateError:
        return None


def _theirs(
    messages: list[Message], request: Mapping[str, Any], tokenizer: Any, *, prompt: bool
) -> str | None:
    from edgekit.runtime.limits import LimitReached, limited  # jinja2

    try:
        with limited():
            found = tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=prompt,
            )
    except LimitReached as error:
        raise ExportError(f"the chat template does not come to an end ({error})") from None
    except Exception:  # a template can raise anything
        return None
    return str(found)


VERBS: Mapping[str, Verb] = {"render": _run}
