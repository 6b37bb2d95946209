"""The programs of docs/many-machines.md: they stand there as they are here, and do what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgekit
from tests.tiny.artifact import TEXTS, make_artifact

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "many-machines.md"
EXAMPLES = {"ray_data": "ray", "dask_frame": "dask", "spark_frame": "pyspark"}
"""The programs, and what each needs."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_has_the_program(name: str) -> None:
    program = (HERE / f"{name}.py").read_text(encoding="utf-8")
    assert f"```py\n{program}```\n" in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_it_gives_what_one_process_gives(name: str, tmp_path: Path) -> None:
    pytest.importorskip(EXAMPLES[name])
    artifact = make_artifact(tmp_path / "tiny-intents-onnx")
    texts = [text for text in (*TEXTS, "") for _ in range(100)]
    table = pa.table({"id": list(range(len(texts))), "text": texts})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=150)
    subprocess.run(
        [sys.executable, HERE / f"{name}.py", artifact, tmp_path / "in.parquet", tmp_path / "out"],
        env={
            **os.environ,
            "RAY_TMPDIR": "/tmp",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
        },
        check=True,
    )
    wanted = edgekit.Handle(artifact)(table)
    found = pq.read_table(tmp_path / "out").select(wanted.schema.names)
    assert found.sort_by("id").to_pylist() == wanted.to_pylist()
