"""A worker that dies, prints, or is forgotten harms nobody."""

from __future__ import annotations

import gc
import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgekit
from edgekit.artifact import folder as artifact
from edgekit.data.refusals import told
from edgekit.errors import DataError, EdgekitError, IntegrityError, Told, WorkerError
from edgekit.system import wire
from edgekit.wording.suggestions import did_you_mean
from tests.runtime import workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


def ends(worker: psutil.Process) -> bool:
    try:
        worker.wait(20)
    except psutil.TimeoutExpired:
        return False
    return True


@contextmanager
def crash() -> Iterator[None]:
    """What is asked inside is never answered: the worker is stopped, and killed soon after."""
    worker = workers.newest()
    worker.suspend()
    killer = threading.Timer(0.2, worker.kill)
    killer.start()
    with pytest.raises(WorkerError, match="SIGKILL"):
        yield
    killer.join()


def test_a_crash_is_an_error_and_the_next_call_works(tiny_artifact: Path) -> None:
    with edgekit.load(tiny_artifact, isolate=True) as model:
        wanted = model.classify("lamp")
        for _ in range(2):
            with crash():
                model.classify("lamp")
            assert model.classify("lamp") == wanted


def test_a_crash_fails_every_call_that_waits(tiny_artifact: Path) -> None:
    with edgekit.load(tiny_artifact, isolate=True) as model:
        worker = workers.newest()
        worker.suspend()
        errors: list[str] = []

        def ask() -> None:
            try:
                model.classify("lamp")
            except WorkerError as error:
                errors.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        worker.kill()
        for thread in threads:
            thread.join(20)
        assert len(errors) == 4
        assert all("SIGKILL" in error for error in errors)
        assert [answer.parts for answer in model.classify(["lamp"] * 3)] == [1] * 3


def test_a_restart_takes_the_same_artifact_or_none(tiny_artifact: Path) -> None:
    with edgekit.load(tiny_artifact, isolate=True) as model:
        manifest = artifact.read(tiny_artifact).manifest.as_json()
        (tiny_artifact / "manifest.json").unlink()
        for key in ("digest", "files", "format_version"):
            del manifest[key]
        artifact.write(tiny_artifact, {**manifest, "labels": ["music", "light", "heat"]})
        with crash():
            model.classify("lamp")
        for _ in range(2):
            with pytest.raises(IntegrityError, match="another artifact"):
                model.classify("lamp")


def test_what_a_worker_says_last_is_in_the_message(
    tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'libgomp.so.1 is missing' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(WorkerError, match=r"exit code 3: libgomp.so.1 is missing"):
        edgekit.load(tiny_artifact, isolate=True)


def test_printing_natively_does_not_harm_the_messages(tiny_artifact: Path) -> None:
    """Everything that an interpreter prints through fd 1 must miss the message stream."""
    program = (
        "import os, sys\n"
        "from edgekit.system.serving import Server\n"
        "real = Server._answer\n"
        "def noisy(self, *request):\n"
        "    os.write(1, b'native noise'); print('more', flush=True); real(self, *request)\n"
        "Server._answer = noisy\n"
        "Server().serve('edgekit.runtime.worker')\n"
    )
    found = artifact.read(tiny_artifact)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        load = {"verb": "load", "folder": str(tiny_artifact), "digest": found.manifest.digest}
        for number, message in enumerate(
            (
                {**load, "asked": {"threads": 1}},
                {"verb": "logits", "text": "lamp", "alone": True},
                {"verb": "dance"},
            )
        ):
            wire.send(process.stdin, {"id": number, **message})
            reply = wire.receive(process.stdout)
            assert reply is not None
            assert reply["id"] == number
            assert ("error" in reply) == (number == 2)
        process.stdin.close()
        assert process.wait(20) == 0
        assert process.stderr.read().count(b"native noise") == 3


def test_a_worker_whose_owner_goes_while_it_loads_ends_in_silence(tiny_artifact: Path) -> None:
    found = artifact.read(tiny_artifact)
    with subprocess.Popen(
        [sys.executable, "-m", "edgekit.system.serving", "edgekit.runtime.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        place = {"folder": str(tiny_artifact), "digest": found.manifest.digest}
        wire.send(process.stdin, {"id": 0, "verb": "load", "asked": {"threads": 1}, **place})
        process.stdout.close()
        process.stdin.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_the_worker_ends_when_its_owner_is_killed(tiny_artifact: Path) -> None:
    program = (
        "import sys, time, edgekit\n"
        f"model = edgekit.load({str(tiny_artifact)!r}, isolate=True)\n"
        "print('ready', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        worker = workers.newest(psutil.Process(owner.pid))
        owner.kill()
        assert ends(worker)


def test_ctrl_c_is_for_the_owner_alone(tiny_artifact: Path) -> None:
    with edgekit.load(tiny_artifact, isolate=True) as model:
        workers.newest().send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert model.classify("lamp").parts == 1


def test_a_model_that_nobody_closes_leaves_no_worker(tiny_artifact: Path) -> None:
    model = edgekit.load(tiny_artifact, isolate=True)
    worker = workers.newest()
    model.classify("lamp")
    del model
    gc.collect()
    assert ends(worker)


def test_nothing_in_the_working_folder_is_imported(
    tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("import os; os._exit(9)")
    monkeypatch.chdir(tmp_path)
    with edgekit.load(tiny_artifact, isolate=True) as model:
        assert model.classify("lamp").parts == 1


def test_without_a_python_program_there_is_a_sentence(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(WorkerError, match="do not isolate"):
        edgekit.load(tiny_artifact, isolate=True)
    monkeypatch.setattr(sys, "executable", str(tiny_artifact / "gone"))
    with pytest.raises(WorkerError, match="cannot be started"):
        edgekit.load(tiny_artifact, isolate=True)


@given(st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False) | st.integers()))
def test_messages_arrive_as_they_were_sent(message: dict[str, object]) -> None:
    stream = io.BytesIO()
    wire.send(stream, message)
    wire.send(stream, {})
    data = stream.getvalue()
    stream.seek(0)
    assert (wire.receive(stream), wire.receive(stream), wire.receive(stream)) == (message, {}, None)
    assert wire.receive(io.BytesIO(data[: len(data) - 3])) in (message, None)


def test_every_error_crosses_over_as_itself() -> None:
    kinds = [
        kind
        for kind in vars(edgekit.errors).values()
        if isinstance(kind, type) and issubclass(kind, EdgekitError)
    ]
    for kind in kinds:
        error = wire.to_error({"type": kind.__name__, "message": "a sentence"})
        assert (type(error), str(error)) == (kind, "a sentence")
    for stranger in ("Unheard", "Told"):
        assert issubclass(type(wire.to_error({"type": stranger, "message": "x"})), EdgekitError)


def test_a_sentence_crosses_over_with_its_code_and_values() -> None:
    hint = did_you_mean("lable", ["label"])
    said = told("no-column", {"place": "a.csv", "column": "lable", "hint": hint}).at("row 3")
    back = wire.to_error(json.loads(json.dumps(wire.from_error(DataError(said))))).sentence
    assert isinstance(back, Told)
    assert (back, back.as_json()) == (said, said.as_json())
