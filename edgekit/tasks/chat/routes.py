"""What a chat model answers over HTTP."""

from __future__ import annotations

from typing import Any

from edgekit.tasks.chat.completions import Completion
from edgekit.tasks.chat.schemas import COMPLETED, COMPLETION
from edgekit.tasks.routes import Forget, Route


def _forget(verbs: Any) -> None:
    """Erases the KV cache: another key's answers must not depend on it."""
    verbs.forget()


FORGET: Forget | None = _forget
ROUTES = {
    "/v1/chat/completions": Route(
        verb="chat",
        says="The answer to a conversation, whole or as a stream of chunks.",
        request=COMPLETION,
        answer=COMPLETED,
        read=Completion.read,
    )
}
