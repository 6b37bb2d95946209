"""What a summarizer answers over HTTP."""

from __future__ import annotations

from edgekit.tasks.routes import Forget
from edgekit.tasks.summarization.asked_summary import ROUTE

FORGET: Forget | None = None
ROUTES = {"/v1/summarize": ROUTE}
