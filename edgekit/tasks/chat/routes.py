"""What a chat model answers over HTTP."""

from __future__ import annotations

from typing import Any

from edgekit.tasks.chat import schemas
from edgekit.tasks.chat.asked_fields import ChooseLabels, CountTokens, Extract
from edgekit.tasks.chat.completions import Completion
from edgekit.tasks.classification.routes import ANSWER
from edgekit.tasks.routes import MOST_TEXTS, File, Forget, Route
from edgekit.tasks.summarization import asked_summary


def _forget(verbs: Any) -> None:
    """Erases the KV cache: another key's answers must not depend on it."""
    verbs.forget()


FORGET: Forget | None = _forget
ROUTES = {
    "/v1/chat/completions": Route(
        verb="chat",
        says="The answer to a conversation, whole or as a stream of chunks that ends with [DONE].",
        request=schemas.COMPLETION,
        answer=schemas.COMPLETED,
        read=Completion.read,
    ),
    "/v1/classify": Route(
        verb="classify",
        says="The labels of the request that fit a text or several, with scores.",
        request=schemas.LABELS,
        answer=ANSWER,
        read=ChooseLabels.read,
        file=File(rows=MOST_TEXTS),
    ),
    "/v1/extract": Route(
        verb="extract",
        says="The fields of a text, by a JSON Schema.",
        request=schemas.FIELDS,
        answer=schemas.FOUND,
        read=Extract.read,
        file=File(),
    ),
    "/v1/summarize": asked_summary.ROUTE,
    "/tokenize": Route(
        verb="tokenize",
        says="How many tokens a text has, or a conversation up to where the answer begins.",
        request=schemas.TEXT_OR_TALK,
        answer=schemas.COUNTED,
        read=CountTokens.read,
    ),
}
