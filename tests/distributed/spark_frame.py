"""Labels a Parquet file with Spark: python spark_frame.py ARTIFACT IN.parquet OUT."""

import sys
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

import edgekit

artifact, source, out = sys.argv[1:]
spark = SparkSession.builder.master("local[2]").getOrCreate()
handle = edgekit.Handle(artifact, threads=1)


def answer(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for frame in frames:
        yield handle(frame)


rows = spark.read.parquet(source)
types = {"text": "string", "number": "double", "integer": "long", "boolean": "boolean"}
schema = StructType(list(rows.schema.fields))
for name, kind in handle.columns.items():
    schema = schema.add(name, types[kind])
rows.mapInPandas(answer, schema).write.parquet(out)
