"""A file in parts: the same bytes whoever did them, and nothing done twice or lost."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgekit
from edgekit.cli import DONE, ERROR, USAGE, main
from edgekit.distributed import parts
from edgekit.distributed.run import Workers, answer_file
from edgekit.errors import DataError, MissingExtra, OutOfDisk
from edgekit.system import machine
from edgekit.system.digest import sha256_folder
from tests.tiny.artifact import TEXTS, make_artifact

ROWS = 2_500


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("made") / "tiny-intents-onnx")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows in groups that fit no part, one of them without text."""
    generator = random.Random(5)
    texts = [" ".join(generator.choices(TEXTS, k=3)) for _ in range(ROWS)]
    texts[1234] = ""
    path = tmp_path_factory.mktemp("rows") / "big.parquet"
    table = pa.table({"id": list(range(ROWS)), "text": texts})
    pq.write_table(table, path, row_group_size=333)
    return path


def test_parts_are_the_file_with_its_answers(artifact: Path, source: Path, tmp_path: Path) -> None:
    handle, out = edgekit.Handle(artifact), tmp_path / "out"
    told: list[tuple[int, int]] = []
    result = answer_file(
        handle,
        source,
        out,
        rows_of_a_part=700,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert (result.rows, result.errors, result.parts, result.reused_parts) == (ROWS, 1, 4, 0)
    assert told == [(0, ROWS), (700, ROWS), (1400, ROWS), (2100, ROWS), (ROWS, ROWS)]
    assert pq.read_table(out).equals(handle(pq.read_table(source)))
    assert not list(out.glob(".*"))


def test_a_rerun_does_what_is_not_finished(
    artifact: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, out = edgekit.Handle(artifact), tmp_path / "out"
    whole = answer_file(handle, source, out, rows_of_a_part=500)
    before = sha256_folder(out)
    (out / "part-00001.parquet").unlink()
    (out / "_done" / "00002.json").unlink()
    damaged = out / "part-00003.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    (out / ".part-00003.parquet.dead.partial").write_bytes(b"half")
    done: list[int] = []
    real = parts.do
    monkeypatch.setattr(
        parts, "do", lambda handle, part: done.append(part.number) or real(handle, part)
    )
    again = answer_file(handle, source, out, rows_of_a_part=500)
    assert done == [1, 2, 3]
    assert again.reused_parts == 2
    assert again.digest == whole.digest
    assert sha256_folder(out) == before
    assert answer_file(handle, source, out, rows_of_a_part=500).reused_parts == 5


def test_only_the_same_work_is_gone_on_with(artifact: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer_file(edgekit.Handle(artifact), source, out)
    other = edgekit.Handle(artifact, options={"abstain_below": 0.5})
    with pytest.raises(DataError, match="begun with another input, model or setting"):
        answer_file(other, source, out)
    with pytest.raises(DataError, match="begun with another"):
        answer_file(edgekit.Handle(artifact), source, out, rows_of_a_part=100)
    # Where the artifact lies and on how many cores it runs is another matter.
    moved = shutil.copytree(artifact, tmp_path / "moved")
    assert answer_file(edgekit.Handle(moved, threads=1), source, out).reused_parts == 1
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    with pytest.raises(DataError, match="holds something else"):
        answer_file(edgekit.Handle(artifact), source, precious)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"texts": ["lamp"]}, r"no column 'text'\. Did you mean 'texts'"),
        ({"text": [7]}, "must be text, but is int64"),
        ({"text": ["lamp"], "text_pair": ["on"]}, "the artifact takes single texts"),
        ({"text": pa.array([], pa.string())}, "the file is empty"),
    ],
)
def test_what_cannot_be_answered_is_refused_at_once(
    artifact: Path, tmp_path: Path, table: dict[str, object], sentence: str
) -> None:
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    with pytest.raises(DataError, match=sentence):
        answer_file(edgekit.Handle(artifact), tmp_path / "in.parquet", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="only Parquet"):
        answer_file(edgekit.Handle(artifact), tmp_path / "in.csv", tmp_path / "out")


def test_a_file_that_shrank_is_not_taken_for_the_whole(artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": ["lamp"] * 5}), path)
    part = parts.Part(str(path), str(tmp_path), 0, 3, 4)
    with pytest.raises(DataError, match="has changed"):
        parts.do(edgekit.Handle(artifact), part)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.parquet"]


def test_the_command_says_what_it_did(
    artifact: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = [
        "classify",
        str(artifact),
        "--file",
        str(source),
        "--out",
        str(out),
        "--engine",
        "here",
    ]
    assert main([*command, "--part-rows", "1000"]) == DONE
    said = capsys.readouterr().out
    assert said == (
        f"{out}: 2500 rows in 3 parts; 1 rows without a label, see the column 'error'\n"
    )
    assert main([*command, "--part-rows", "1000", "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["reused_parts"] == 3
    assert main(command) == ERROR
    for wrong in (["--overwrite"], []):
        words = (
            [*command, *wrong] if wrong else ["classify", str(artifact), "lamp", "--engine", "ray"]
        )
        assert main(words) == USAGE
    assert main(["classify", str(artifact), "lamp", "--workers", "2"]) == USAGE


@pytest.mark.parametrize("engine", ["ray", "dask"])
def test_an_engine_that_is_not_installed_says_how_to_get_it(
    artifact: Path, source: Path, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ray", "dask"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf"edgekit\[{engine}\]"):
        answer_file(edgekit.Handle(artifact), source, tmp_path / "out", workers=Workers(engine))


# Below, real clusters of two worker processes on this machine.


def command(artifact: Path, source: Path, out: Path, engine: str) -> list[str]:
    return [
        sys.executable, "-m", "edgekit", "classify", str(artifact), "--file", str(source),
        "--out", str(out), "--engine", engine, "--workers", "2", "--part-rows", "500", "--json",
    ]  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    # A cluster asks for sockets with short paths.
    return {**os.environ, "RAY_TMPDIR": "/tmp", "PYTHONWARNINGS": "ignore"}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "dask"])
def test_workers_leave_the_same_bytes(
    artifact: Path, source: Path, tmp_path: Path, engine: str, environment: dict[str, str]
) -> None:
    pytest.importorskip(engine)
    here = answer_file(edgekit.Handle(artifact), source, tmp_path / "here", rows_of_a_part=500)
    out = tmp_path / "out"
    done = subprocess.run(
        command(artifact, source, out, engine), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["rows"], said["parts"], said["errors"]) == (ROWS, 5, 1)
    assert said["digest"] == here.digest
    assert sha256_folder(out) == sha256_folder(tmp_path / "here")


def workers_of(engine: str, parent: int) -> list[int]:
    """The processes below `parent` that have a model loaded."""
    import psutil

    return [
        child.pid
        for child in psutil.Process(parent).children(recursive=True)
        if "onnxruntime" in Path(f"/proc/{child.pid}/maps").read_text()
    ]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs /proc")
@pytest.mark.parametrize("engine", ["ray", "dask"])
def test_a_killed_worker_costs_its_part_alone(
    artifact: Path, tmp_path: Path, engine: str, environment: dict[str, str]
) -> None:
    """Killed as it begins its second part or a later one; the command itself goes on."""
    pytest.importorskip(engine)
    generator = random.Random(6)
    texts = [" ".join(generator.choices(TEXTS, k=8)) for _ in range(12_000)]
    path, out = tmp_path / "big.parquet", tmp_path / "out"
    pq.write_table(pa.table({"text": texts}), path)
    with subprocess.Popen(
        command(artifact, path, out, engine), env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        notes: dict[str, int] = {}
        while len(notes) < 4 and process.poll() is None:
            time.sleep(0.02)
            notes = {one.name: one.stat().st_mtime_ns for one in (out / "_done").glob("*.json")}
        (victim, *_) = workers_of(engine, process.pid)
        os.kill(victim, signal.SIGKILL)
        said = json.loads(process.communicate()[0].splitlines()[-1])
    assert process.returncode == 0
    assert (said["rows"], said["parts"], said["reused_parts"]) == (12_000, 24, 0)
    # What was finished before was not done again.
    for name, at in notes.items():
        assert (out / "_done" / name).stat().st_mtime_ns == at
    here = answer_file(edgekit.Handle(artifact), path, tmp_path / "here", rows_of_a_part=500)
    assert said["digest"] == here.digest


def test_a_full_disk_is_one_sentence_and_the_rest_goes_on_later(
    artifact: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, out = edgekit.Handle(artifact), tmp_path / "out"
    write = machine.write_safely

    def full(path: Path, data: bytes) -> None:
        if path.name == "00002.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(machine, "write_safely", full)
        with pytest.raises(OutOfDisk, match="the disk is full"):
            answer_file(handle, source, out, rows_of_a_part=700)
    assert answer_file(handle, source, out, rows_of_a_part=700).reused_parts == 2
