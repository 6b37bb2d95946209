"""Labels a Parquet file with Ray Data: python ray_data.py ARTIFACT IN.parquet OUT."""

import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray would tell its makers of each cluster

import ray

import edgekit

artifact, source, out = sys.argv[1:]
ray.init(num_cpus=2, include_dashboard=False)  # on a cluster: ray.init("auto")
# num_cpus is what Ray plans with, threads is what a worker uses.
handle = edgekit.Handle(artifact, threads=1)
rows = ray.data.read_parquet(source)
rows.map_batches(handle, batch_format="pyarrow", num_cpus=1).write_parquet(out)
