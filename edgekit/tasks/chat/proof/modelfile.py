"""Makes a Modelfile, by which Ollama knows a GGUF's template, stop words, licence and context.

Ollama's templates are Go's (pkg.go.dev/text/template), a model's are Jinja. What a Jinja template
puts around the turns of a few conversations is measured here, put into Go, and held against all
conversations of the export's proof; a template that cannot be said so is left to Ollama.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgekit.checkpoint import chat_template, licences
from edgekit.checkpoint.chat_template import CONVERSATIONS, Message
from edgekit.errors import TemplateError
from edgekit.runtime.memory import CONTEXT
from edgekit.runtime.tokens import TOKENIZER
from edgekit.system import child
from edgekit.system.serving import Verb

NAME = "modelfile"
"""In lower case, as all names of an artifact: `ollama create NAME -f modelfile`."""
_MODULE = "edgekit.tasks.chat.proof.modelfile"
_SYSTEM, _USER, _ASSISTANT, _AGAIN = "Qsystemq", "Quserq", "Qassistantq", "Qagainq"
_PARAMETERS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}
"""Settings of generation_config.json and Ollama's names for them."""

_LONGER = (
    [{"role": role, "content": f"{role} {at}"}
     for at, role in enumerate(("user", "assistant", "user", "assistant", "user"))],
    [{"role": role, "content": f"{role} {at}"}
     for at, role in enumerate(("system", "user", "assistant", "user", "assistant", "user"))],
)  # fmt: skip
_UNSAID = (
    "# Its template says more than can be put down here: Ollama takes one that it knows, or none."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """What a template writes around what is said."""

    start: str
    system: tuple[str, str]
    """Before and behind; empty where the template knows no such role."""
    user: tuple[str, str]
    assistant: tuple[str, str]
    prompt: str
    """What an answer begins behind."""
    knows_system: bool

    def rendered(self, messages: Sequence[Message]) -> str:
        around = {"system": self.system, "user": self.user, "assistant": self.assistant}
        said = (
            f"{around[one['role']][0]}{one['content']}{around[one['role']][1]}" for one in messages
        )
        return self.start + "".join(said) + self.prompt


def text(model: str, checkpoint: Path, record: Mapping[str, Any]) -> str:
    """`model` is the name of the GGUF beside it, and `record` that of its export."""
    lines = [f"FROM ./{model}"]
    told = record["tokenizer"]
    template = chat_template.read(checkpoint) if record.get("chat") else None
    if template is not None:
        request = {"template": template, "bos": told["bos"], "eos": told["eos"]}
        found = child.ask(_MODULE, "turns", request, doing="gguf: reading the chat template")
        turns = _turns_from(found["turns"])
        # llama.cpp puts this token before a text by itself.
        bos = told["bos"] if told["add_bos"] else ""
        lines.append(_UNSAID if turns is None else _template(turns, bos))
    lines += [f"PARAMETER stop {_quoted(one)}" for one in _stops(checkpoint, told["stops"])]
    lines.append(f"PARAMETER num_ctx {min(CONTEXT, int(record['context']))}")
    settings = record.get("generation", {})
    lines += [
        f"PARAMETER {name} {settings[key]}" for key, name in _PARAMETERS.items() if key in settings
    ]
    licence = licences.origin(checkpoint).licence
    if licence != licences.UNKNOWN:
        lines.append(f"LICENSE {_quoted(licence)}")
    return "\n".join(lines) + "\n"


def _template(turns: Turns, bos: str) -> str:
    start = turns.start.removeprefix(bos)
    system = (
        [f'{{{{ if eq .Role "system" }}}}{_around(turns.system)}{{{{ else if eq .Role "user" }}}}']
        if turns.knows_system
        else ['{{ if eq .Role "user" }}']
    )
    before, behind = turns.assistant
    pieces = [
        _said(start),
        "{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}",
        *system,
        _around(turns.user),
        '{{ else if eq .Role "assistant" }}',
        # An answer that is last is one to go on with.
        f"{_said(before)}{{{{ .Content }}}}{{{{ if not $last }}}}{_said(behind)}{{{{ end }}}}",
        '{{ end }}{{ if and $last (ne .Role "assistant") }}',
        _said(turns.prompt),
        "{{ end }}{{ end }}",
    ]
    return f'TEMPLATE """{"".join(pieces)}"""'


def _around(role: tuple[str, str]) -> str:
    return f"{_said(role[0])}{{{{ .Content }}}}{_said(role[1])}"


def _said(text: str) -> str:
    """A text as Go writes it: its JSON form is a Go string as well, and nothing cuts its spaces."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""


def _quoted(text: str) -> str:
    return f'"""{text}"""' if '"' in text else f'"{text}"'


def _stops(checkpoint: Path, numbers: Iterable[int]) -> list[str]:
    tokenizer = Tokenizer.from_file(os.fspath(checkpoint / TOKENIZER))
    found = (tokenizer.id_to_token(number) for number in numbers)
    return [one for one in found if one]


def _turns_from(found: Mapping[str, Any] | None) -> Turns | None:
    if found is None:
        return None
    pairs = {role: tuple(found[role]) for role in ("system", "user", "assistant")}
    return Turns(**{**found, **pairs})


def _turns(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in a subprocess, as templates are programs of strangers."""
    found = measured(request["template"], bos=request["bos"], eos=request["eos"])
    return {"turns": None if found is None else asdict(found)}


def measured(template: str, *, bos: str, eos: str) -> Turns | None:
    """What the template writes around turns; None where that is not the same in all of them."""
    turns = _probed(template, bos, eos)
    if turns is None:
        return None
    for messages in (*CONVERSATIONS, *_LONGER):
        roles = [one["role"] for one in messages]
        ends = roles[0] != "assistant" and roles[-1] == "user"
        if not ends or any(one == next_ for one, next_ in pairwise(roles)):
            continue  # nobody asks so
        if "system" in roles and not turns.knows_system:
            continue
        # Spaces around what is said are dropped by many templates and by no one noticed.
        plain = [{**one, "content": one["content"].strip()} for one in messages]
        if _rendered(template, plain, bos, eos) != turns.rendered(plain):
            return None
    return turns


def _probed(template: str, bos: str, eos: str) -> Turns | None:
    asked = [("user", _USER), ("assistant", _ASSISTANT), ("user", _AGAIN)]
    found = _split(_rendered(template, _messages(asked), bos, eos), asked)
    if found is None:
        return None
    first, between, again, last = found
    lead = bos if first.startswith(bos) else ""
    before_user = _common_end(first.removeprefix(lead), again)
    start, behind_assistant = first.removesuffix(before_user), again.removesuffix(before_user)
    # As far as an answer's end reaches, so that what begins an answer is told from it.
    behind_user = _common_start(between, last, behind_assistant)
    before_assistant, prompt = between[len(behind_user) :], last[len(behind_user) :]
    system, knows = ("", ""), False
    told = [("system", _SYSTEM), ("user", _USER)]
    parts = _split(_rendered(template, _messages(told), bos, eos), told)
    if parts is not None and parts[0].startswith(start) and parts[1].endswith(before_user):
        system, knows = (parts[0][len(start) :], parts[1].removesuffix(before_user)), True
    return Turns(
        start=start,
        system=system,
        user=(before_user, behind_user),
        assistant=(before_assistant, behind_assistant),
        prompt=prompt,
        knows_system=knows,
    )


def _messages(turns: Sequence[tuple[str, str]]) -> list[Message]:
    return [{"role": role, "content": content} for role, content in turns]


def _rendered(template: str, messages: Sequence[Message], bos: str, eos: str) -> str | None:
    from edgekit.runtime.rendering import render_row  # jinja2

    try:
        return render_row(template, messages, bos=bos, eos=eos, answer_next=True)
    except TemplateError:
        return None


def _split(text: str | None, turns: Sequence[tuple[str, str]]) -> list[str] | None:
    """What stands before, between and behind the turns, each of which must be there once."""
    found: list[str] = []
    rest = text or ""
    for _, content in turns:
        before, there, rest = rest.partition(content)
        if not there or content in rest:
            return None
        found.append(before)
    return [*found, rest]


def _common_start(*texts: str) -> str:
    same = takewhile(lambda marks: len(set(marks)) == 1, zip(*texts, strict=False))
    return "".join(marks[0] for marks in same)


def _common_end(one: str, other: str) -> str:
    return _common_start(one[::-1], other[::-1])[::-1]


VERBS: Mapping[str, Verb] = {"turns": _turns}
