"""Chat templates: found where transformers finds them, and rendered to the same text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.checkpoint import chat_template
from edgekit.errors import ExportError
from edgekit.runtime.rendering import render
from tests.tiny import llama as tiny_llama


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    tiny_llama.make_tokenizer(tmp_path, "smollm")
    return tmp_path


def write(checkpoint: Path, name: str, content: object) -> None:
    (checkpoint / name).write_text(json.dumps(content), encoding="utf-8")


def test_it_is_found_in_every_place_that_transformers_looks_in(checkpoint: Path) -> None:
    assert chat_template.read(checkpoint) == tiny_llama.CHATML
    (checkpoint / "chat_template.jinja").unlink()
    assert chat_template.read(checkpoint) is None
    several = [{"name": "tool_use", "template": "a"}, {"name": "default", "template": "b"}]
    write(checkpoint, "tokenizer_config.json", {"chat_template": several})
    assert chat_template.read(checkpoint) == "b"
    write(checkpoint, "tokenizer_config.json", {"chat_template": "c"})
    assert chat_template.read(checkpoint) == "c"
    write(checkpoint, "chat_template.json", {"chat_template": "d"})
    assert chat_template.read(checkpoint) == "d"


def test_one_that_is_rendered_otherwise_is_refused(checkpoint: Path) -> None:
    """As if this had been read from another place than transformers reads."""
    with pytest.raises(ExportError, match="where transformers renders"):
        chat_template.render(checkpoint, tiny_llama.PHI3, bos="<|im_start|>", eos="<|im_end|>")


def test_names_of_tokens_that_are_none_are_told(checkpoint: Path) -> None:
    """A fine-tune that took another template and not its tokens; answers end as texts do."""
    (checkpoint / "chat_template.jinja").write_text(tiny_llama.PHI3, encoding="utf-8")
    found = chat_template.render(checkpoint, tiny_llama.PHI3, bos="<|im_start|>", eos="<|im_end|>")
    assert found.strange == ("<|assistant|>", "<|end|>", "<|system|>", "<|user|>")
    assert chat_template.notes(found)[0].startswith(
        "the chat template writes <|assistant|>, <|end|>,"
    )
    assert found.end == 1002  # what this template sets behind a whole conversation


def test_a_tokenizer_without_bos_gives_templates_an_empty_one(tmp_path: Path) -> None:
    tiny_llama.make_tokenizer(tmp_path, "qwen2")
    template = "{{ bos_token }}" + tiny_llama.CHATML
    (tmp_path / "chat_template.jinja").write_text(template, encoding="utf-8")
    found = chat_template.render(tmp_path, template, bos="", eos="<|im_end|>")
    messages = chat_template.CONVERSATIONS[0]
    # llama.cpp names some token as bos whatever the file says.
    rendered = render(found.template, messages, bos="!", eos="", add_generation_prompt=False)
    assert rendered == found.texts[0] == "<|im_start|>user\nWhat is six times seven?<|im_end|>\n"
