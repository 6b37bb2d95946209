"""What a summarizer answers over HTTP."""

from __future__ import annotations

from edgekit.tasks.routes import Forget
from edgekit.tasks.summarization import asked_summary, asked_vectors

FORGET: Forget | None = None
ROUTES = {"/v1/summarize": asked_summary.ROUTE, "/v1/embeddings": asked_vectors.ROUTE}
