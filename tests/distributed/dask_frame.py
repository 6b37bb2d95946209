"""Labels a Parquet file with Dask: python dask_frame.py ARTIFACT IN.parquet OUT."""

import sys

import dask.dataframe as dd
from distributed import Client

import edgekit


def main(artifact: str, source: str, out: str) -> None:
    handle = edgekit.Handle(artifact, threads=1)
    # On a cluster: Client("scheduler:8786")
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
        rows = dd.read_parquet(source)
        # Without rows a handle loads no model: it answers with the columns alone.
        rows.map_partitions(handle, meta=handle(rows._meta)).to_parquet(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
