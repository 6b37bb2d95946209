"""What a summarizer answers over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.tasks.routes import Forget, Route

FORGET: Forget | None = None
ROUTES: Mapping[str, Route] = {}
