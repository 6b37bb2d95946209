"""What a request is refused with: a status, an error in OpenAI's form, when to try again."""

from __future__ import annotations

import math
from typing import Any

from edgekit.errors import (
    ArtifactError,
    ContextOverflow,
    EdgekitError,
    MissingExtra,
    OutOfMemoryBudget,
    WorkerError,
)
from edgekit.tasks.routes import WrongField


class Refusal(EdgekitError):
    """A request that is not answered, and why."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.field, self.retry_after = status, code, field, retry_after

    @property
    def headers(self) -> dict[str, str]:
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, math.ceil(self.retry_after)))
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status in (408, 413):
            headers["connection"] = "close"
        return headers

    def as_json(self) -> dict[str, Any]:
        return {
            "error": {
                "message": str(self),
                "type": _TYPES.get(self.status, "invalid_request_error"),
                "param": self.field,
                "code": self.code,
            }
        }


_TYPES = {
    401: "authentication_error", 403: "permission_error", 429: "rate_limit_error",
    500: "server_error", 503: "server_error",
}  # fmt: skip


def of(error: BaseException, *, model: str) -> Refusal:
    """What is said of an error; nothing of this machine's folders, nor of a fault's own words."""
    match error:
        case Refusal():
            return error
        case WrongField():
            return Refusal(400, "invalid_value", str(error), field=error.field)
        case ContextOverflow():
            return Refusal(400, "context_length_exceeded", str(error), field="messages")
        case OutOfMemoryBudget():
            return Refusal(
                503, "out_of_memory",
                f"There is too little memory for '{model}' now; try again later.", retry_after=30,
            )  # fmt: skip
        case WorkerError():
            return Refusal(
                503, "worker_died",
                f"The process that held '{model}' ended before the answer did; ask again: another "
                "is started.", retry_after=1,
            )  # fmt: skip
        case ArtifactError() | MissingExtra():
            return Refusal(
                500, "artifact_unusable",
                f"'{model}' cannot be loaded; whoever runs the server finds why in its log.",
            )  # fmt: skip
        case EdgekitError():
            return Refusal(400, "invalid_value", str(error))
        case _:
            return Refusal(500, "internal_error", "The server failed on this; its log says where.")
