"""What a model remembers of a conversation is a key's own: read once for it, erased for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.serving import keys
from edgekit.serving.keys import Key
from tests.serving.running import Running, running

PATH = "/v1/chat/completions"
SYSTEM = "You answer the questions of pupils about the weather, briefly and in plain words. " * 4


def reused(server: Running, secret: str, question: str) -> tuple[int, Any]:
    """Tokens of the prompt that were not read again, and the answer."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    body = {"messages": messages, "max_tokens": 4, "temperature": 0}
    got = server.ask(PATH, body, secret=secret).json
    return got["usage"]["prompt_tokens_details"]["cached_tokens"], got["choices"]


def test_a_prefix_is_read_once_for_each_key(made_chat_artifact: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first, second = (keys.add(file, Key(name, "", "")) for name in ("first", "second"))
    with running(made_chat_artifact, keys=file) as server:
        none, alone = reused(server, first, "Rain?")
        assert none == 0
        some, _ = reused(server, first, "Snow?")
        assert some >= 128
        # The same words of another key: nothing of the first one's is used for them.
        assert reused(server, second, "Rain?") == (0, alone)
        assert reused(server, second, "Rain?")[0] >= 128
        assert reused(server, first, "Rain?") == (0, alone)
    with running(made_chat_artifact, keys=file, slots=2) as server:
        # With a process each, keys keep what is theirs.
        assert reused(server, first, "Rain?") == (0, alone)
        assert reused(server, second, "Rain?") == (0, alone)
        assert reused(server, first, "Rain?")[0] >= 128
        assert reused(server, second, "Rain?")[0] >= 128
