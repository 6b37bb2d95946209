"""What a user's program needs: the base install alone, little time, and no network."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import venv
from pathlib import Path

import pytest

from tests.tiny.artifact import LABELS, TEXTS, make_artifact

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = Path(__file__).with_name("embedded_example.py")
EXTRAS = (
    "torch", "transformers", "onnx", "optimum", "safetensors", "peft", "pydantic", "yaml",
    "matplotlib", "jinja2", "hassil", "pyarrow", "textual", "llama_cpp", "sklearn", "pypdf", "docx",
    "lxml", "rouge_score", "nltk", "sacrebleu",
)  # fmt: skip
# A module that is None in sys.modules cannot be imported: as if it were not installed.
WITHOUT_EXTRAS = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r})); "
USE = """
import edgekit, sys
with edgekit.load({artifact!r}, isolate={isolate}) as model:
    print(model.classify("lamp").label, [found.label for found in model.classify(["lamp"])])
print([name for name in {extras!r} + ("urllib.request", "http.client", "requests", "rich")
       if sys.modules.get(name)])
"""


def python(code: str, *, executable: str = sys.executable) -> str:
    done = subprocess.run(
        [executable, "-W", "error", "-c", code],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("isolate", [False, True], ids=["here", "isolated"])
def test_answering_needs_no_extra(tiny_artifact: Path, isolate: bool) -> None:
    use = USE.format(artifact=str(tiny_artifact), isolate=isolate, extras=EXTRAS)
    assert python(WITHOUT_EXTRAS + use) == "heat ['heat']\n[]\n"


def test_no_extra_is_imported_where_it_is_installed(tiny_artifact: Path) -> None:
    use = USE.format(artifact=str(tiny_artifact), isolate=False, extras=EXTRAS)
    assert python(use) == "heat ['heat']\n[]\n"


@pytest.mark.parametrize("command", ["classify {} lamp", "verify {}", "inspect {}", "--help"])
def test_commands_for_artifacts_need_no_extra(tiny_artifact: Path, command: str) -> None:
    arguments = command.format(tiny_artifact).split()
    python(f"{WITHOUT_EXTRAS}from edgekit.cli import main; sys.exit(main({arguments!r}))")


def test_importing_is_light() -> None:
    heavy = "{'numpy', 'onnxruntime', 'tokenizers', 'psutil'}"
    assert python(f"import sys, edgekit; print(sorted({heavy} & set(sys.modules)))") == "[]\n"


@pytest.mark.skipif(sys.platform != "linux", reason="measured where it is held")
def test_a_first_answer_takes_little_memory(tmp_path: Path) -> None:
    """At most 1.3 times the files and 150 MB.

    Given to onnxruntime as bytes, this model would be in memory three times while it loads.
    """
    folder = make_artifact(tmp_path / "large", unused_pieces=470_000)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size > 60_000_000
    peak = python(
        f"import edgekit; edgekit.load({str(folder)!r}).classify('lamp')\n"
        # Not getrusage: that begins with what the process that started this one held.
        "import pathlib; status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(status.split('VmHWM:')[1].split()[0])"
    )
    assert int(peak) * 1024 <= size * 1.3 + 150_000_000


def test_the_public_names_are_there() -> None:
    import edgekit

    for name in edgekit.__all__:
        assert getattr(edgekit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        edgekit.nonsense  # noqa: B018
    assert (ROOT / "edgekit" / "py.typed").exists()


def test_the_example_labels_every_line(tiny_artifact: Path) -> None:
    lines = [f"{TEXTS[number % len(TEXTS)]} {number}" for number in range(200)]
    done = subprocess.run(
        [sys.executable, EXAMPLE, tiny_artifact],
        input="\n".join([*lines, "", "lamp"]), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert sorted(text for _, _, text in found) == sorted([*lines, "lamp"])
    assert {label for label, _, _ in found} <= set(LABELS)
    assert done.stderr == "A text is empty, so it has no label; leave it out.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_the_example_stops_at_ctrl_c(tiny_artifact: Path) -> None:
    """In the middle of an endless input, with the queue full and all threads at work."""
    read, write = os.pipe()
    with (
        os.fdopen(read, "rb") as lines,
        subprocess.Popen(
            [sys.executable, EXAMPLE, tiny_artifact],
            stdin=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process,
    ):  # fmt: skip
        feeding = threading.Thread(target=_feed, args=(write, process))
        feeding.start()
        try:
            assert process.stdout is not None
            for _ in range(20):
                assert process.stdout.readline().count("\t") == 2
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=20)
        finally:
            process.kill()
        assert (process.returncode, errors) == (0, "")
        assert len(output.splitlines()) < 1000
    feeding.join()


def _feed(write: int, process: subprocess.Popen[str]) -> None:
    """Lines without end, until nobody reads them."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb", buffering=0) as stream:
        while process.poll() is None:
            stream.write(b"turn up the heating in the kitchen\n")


@pytest.mark.slow
def test_a_fresh_environment_with_the_base_install(tiny_artifact: Path, tmp_path: Path) -> None:
    """Made with pip, from the registry: base dependencies alone, no torch."""
    venv.create(tmp_path / "venv", with_pip=True)
    executable = str(tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    subprocess.run([executable, "-m", "pip", "install", "-q", str(ROOT)], check=True, timeout=600)
    use = USE.format(artifact=str(tiny_artifact), isolate=True, extras=EXTRAS)
    assert python(use, executable=executable) == "heat ['heat']\n[]\n"
    done = subprocess.run(
        [executable, EXAMPLE, tiny_artifact],
        input="lamp\n", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("heat\t")
