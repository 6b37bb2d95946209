"""What a Modelfile says of a template is what the template does, or it says nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgekit.checkpoint.chat_template import CONVERSATIONS, Message
from edgekit.export.gguf.convert import convert
from edgekit.runtime.rendering import render_row
from edgekit.tasks.chat.proof import modelfile
from tests.tiny import llama as tiny_llama

BOS, EOS = "<bos>", "<eos>"
TEMPLATES = {
    "chatml": tiny_llama.CHATML,
    "llama3": tiny_llama.LLAMA3,
    "mistral": tiny_llama.MISTRAL,
    "gemma": tiny_llama.GEMMA,
    "phi3": tiny_llama.PHI3,
    "cohere": tiny_llama.COHERE,
    "exaone": tiny_llama.EXAONE,
    "ernie": tiny_llama.ERNIE,
    "granite": tiny_llama.GRANITE,
    "hunyuan": tiny_llama.HUNYUAN,
}
# It numbers the turns: what stands around one depends on how many there are.
COUNTING = (
    "{% for message in messages %}{{ loop.index ~ message['role'] ~ ': ' ~ message['content'] }}\n"
    "{% endfor %}"
)
ASKED = [
    [{**one, "content": one["content"].strip()} for one in messages]
    for messages in CONVERSATIONS
    if messages[0]["role"] != "assistant" and messages[-1]["role"] == "user"
]
TOKEN = re.compile(r"\{\{ (.*?) \}\}", re.DOTALL)


def gone(template: str, messages: Sequence[Message]) -> str:
    """The template as Ollama runs it: the few forms of Go's text/template that we write."""
    pieces = TOKEN.split(template)
    # A text of its own stands at even places, and is never anything but what we put into strings.
    assert [one for one in pieces[::2] if one] == []
    actions = pieces[1::2]
    at = next(number for number, one in enumerate(actions) if one.startswith("range"))
    head, body = actions[:at], actions[at + 2 : -1]
    assert actions[at + 1] == "$last := eq (len (slice $.Messages $i)) 1"
    said = "".join(json.loads(one) for one in head)
    for number, message in enumerate(messages):
        said += _body(body, message, last=number == len(messages) - 1)
    return said


def _body(actions: Sequence[str], message: Message, *, last: bool) -> str:
    told, open_, done = "", [], []
    for action in actions:
        if action == "end":
            open_.pop(), done.pop()
        elif action.startswith("else if"):
            holds = not done[-1] and _holds(action.removeprefix("else if "), message, last)
            open_[-1], done[-1] = holds, done[-1] or holds
        elif action.startswith("if"):
            holds = _holds(action.removeprefix("if "), message, last)
            open_.append(holds), done.append(holds)
        elif all(open_):
            told += message["content"] if action == ".Content" else json.loads(action)
    assert open_ == []
    return told


def _holds(condition: str, message: Message, last: bool) -> bool:
    known = {
        "not $last": not last,
        'and $last (ne .Role "assistant")': last and message["role"] != "assistant",
    }
    return known[condition] if condition in known else (
        condition == f'eq .Role "{message["role"]}"'
    )  # fmt: skip


def written(turns: modelfile.Turns, bos: str = "") -> str:
    found = modelfile._template(turns, bos)
    return found.removeprefix('TEMPLATE """').removesuffix('"""')


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_it_writes_what_the_template_does(name: str) -> None:
    turns = modelfile.measured(TEMPLATES[name], bos=BOS, eos=EOS)
    assert turns is not None
    assert turns.knows_system == (name not in ("mistral",))
    told = 0
    for messages in ASKED:
        roles = [one["role"] for one in messages]
        if roles == ["user", "user"] or ("system" in roles and not turns.knows_system):
            continue
        wanted = render_row(TEMPLATES[name], messages, bos=BOS, eos=EOS, answer_next=True)
        assert turns.rendered(messages) == wanted
        assert gone(written(turns), messages) == wanted
        assert gone(written(turns, BOS), messages) == wanted.removeprefix(BOS)
        told += 1
    assert told >= 4


def test_a_template_that_counts_is_left_to_ollama() -> None:
    assert modelfile.measured(COUNTING, bos=BOS, eos=EOS) is None
    assert modelfile.measured("{{ raise_exception('no') }}", bos=BOS, eos=EOS) is None


def test_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    checkpoint = tiny_llama.make_checkpoint(tmp_path / "checkpoint", "qwen2")
    (checkpoint / "README.md").write_text("---\nlicense: apache-2.0\n---\n", encoding="utf-8")
    (checkpoint / "generation_config.json").write_text(
        json.dumps({"temperature": 0.7, "repetition_penalty": 1.1}), encoding="utf-8"
    )
    record = convert(checkpoint, tmp_path / "model.gguf")
    lines = modelfile.text("model.gguf", checkpoint, record).splitlines()
    assert lines[0] == "FROM ./model.gguf"
    assert lines[1].startswith('TEMPLATE """{{ range')
    assert lines[1].count('{{ "<|im_start|>') == 4
    assert 'PARAMETER stop "<|im_end|>"' in lines
    assert f"PARAMETER num_ctx {tiny_llama.CONTEXT}" in lines
    assert {"PARAMETER temperature 0.7", "PARAMETER repeat_penalty 1.1"} <= set(lines)
    assert lines[-1] == 'LICENSE "apache-2.0"'
    (checkpoint / "chat_template.jinja").write_text(COUNTING, encoding="utf-8")
    assert "TEMPLATE" not in modelfile.text("model.gguf", checkpoint, record)


GO = shutil.which("go")
PROGRAM = """\
package main

import ("encoding/json"; "os"; "text/template")

func main() {
	var asked struct{ Template string; Messages []struct{ Role, Content string } }
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil { panic(err) }
	made := template.Must(template.New("").Parse(asked.Template))
	if err := made.Execute(os.Stdout, asked); err != nil { panic(err) }
}
"""


@pytest.mark.slow
@pytest.mark.skipif(GO is None, reason="needs Go")
@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_go_runs_it(name: str, tmp_path: Path) -> None:
    turns = modelfile.measured(TEMPLATES[name], bos=BOS, eos=EOS)
    assert turns is not None
    (tmp_path / "main.go").write_text(PROGRAM, encoding="utf-8")
    for messages in ASKED[:3]:
        if turns.knows_system or messages[0]["role"] != "system":
            asked = {"Template": written(turns), "Messages": [
                {"Role": one["role"], "Content": one["content"]} for one in messages
            ]}  # fmt: skip
            done = subprocess.run(
                [str(GO), "run", "main.go"], cwd=tmp_path, input=json.dumps(asked),
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert done.stdout == turns.rendered(messages)
