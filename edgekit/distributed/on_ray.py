"""Parts as tasks of Ray, on a cluster or on worker processes of this machine. Knows no model."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from edgekit.distributed import parts
from edgekit.distributed.handle import Handle
from edgekit.distributed.parts import TRIES, Done, Part, killed
from edgekit.errors import EdgekitError, MissingExtra


def each(
    handle: Handle, todo: Sequence[Part], *, workers: int, address: str | None
) -> Iterator[tuple[Part, Done]]:
    """`address` is a running cluster's; None starts one of `workers` processes, and ends it."""
    # It would tell its makers of each cluster, and reads this when it is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray  # an extra, and slow to import
    except ModuleNotFoundError as error:
        raise MissingExtra("ray", "ray") from error

    ours = not ray.is_initialized()
    if ours:
        # "local" starts a cluster even where a variable names another.
        ray.init(
            address or "local",
            num_cpus=workers if address is None else None,
            include_dashboard=False if address is None else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        task = ray.remote(num_cpus=1, max_retries=TRIES)(parts.do)
        sent = ray.put(handle)
        waiting = {task.remote(sent, part): part for part in todo}
        while waiting:
            ready, _ = ray.wait(list(waiting), num_returns=1)
            for reference in ready:
                part = waiting.pop(reference)
                yield part, _result(ray, reference, part)
    finally:
        if ours:
            ray.shutdown()


def _result(ray: Any, reference: Any, part: Part) -> Done:
    try:
        done: Done = ray.get(reference)
        return done
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, EdgekitError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise killed(part) from error
