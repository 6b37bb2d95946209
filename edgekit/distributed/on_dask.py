"""Parts as tasks of Dask, on a cluster or on worker processes of this machine. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgekit.distributed import parts
from edgekit.distributed.handle import Handle
from edgekit.distributed.parts import TRIES, Done, Part, killed
from edgekit.errors import MissingExtra


def each(
    handle: Handle, todo: Sequence[Part], *, workers: int, address: str | None
) -> Iterator[tuple[Part, Done]]:
    """`address` is a running cluster's; None starts one of `workers` processes, and ends it."""
    try:
        import dask  # an extra, and slow to import
        from distributed import Client, KilledWorker, LocalCluster, as_completed
    except ModuleNotFoundError as error:
        raise MissingExtra("distributed", "dask") from error

    with dask.config.set({"distributed.scheduler.allowed-failures": TRIES}):
        cluster: Any = address or LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
        )
        with Client(cluster) as client:
            try:
                # Not pure: a part has a place of its own, and is never another's result.
                waiting = {client.submit(parts.do, handle, part, pure=False): part for part in todo}
                for future in as_completed(list(waiting)):
                    part = waiting[future]
                    try:
                        yield part, future.result()
                    except KilledWorker as error:
                        raise killed(part) from error
            finally:
                if address is None:
                    cluster.close()
