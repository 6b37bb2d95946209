"""The environment that optimum gets for itself: said before, made once, asked in a subprocess."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgekit.bench import baseline
from edgekit.errors import CheckpointError, EdgekitError
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.tokens import TextTokenizer
from edgekit.training import predict
from tests.tiny import encoder as tiny
from tests.tiny import filled


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny.make_encoder(tmp_path / "encoder", labels=tiny.LABELS)


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))


def test_no_process_of_edgekits_can_import_it() -> None:
    program = baseline.program().read_text("utf-8")
    assert "edgekit" not in "".join(line for line in program.splitlines() if "import" in line[:9])
    pinned = {one.partition("==")[0] for one in baseline.REQUIREMENTS}
    assert {"optimum", "optimum-onnx", "transformers", "torch"} <= pinned


@pytest.mark.usefixtures("_elsewhere")
def test_where_pip_cannot_install_it_says_so_and_leaves_no_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(EdgekitError, match=r"could not be installed .*leave out --baseline"):
        baseline.make()
    assert "once" in str(baseline.notice())
    assert str(baseline.folder()) in str(baseline.notice())


@pytest.mark.usefixtures("_elsewhere")
def test_what_is_there_is_not_made_again() -> None:
    baseline.folder().mkdir(parents=True)
    (baseline.folder() / "ready").touch()
    assert baseline.make() == baseline._python(baseline.folder())
    assert baseline.notice() is None


def test_what_the_program_says_last_is_the_error(checkpoint: Path, tmp_path: Path) -> None:
    """The tests' own Python has no optimum."""
    with pytest.raises(EdgekitError, match=r"failed \(.*No module named 'optimum.*'\); leave out"):
        baseline.export(Path(sys.executable), checkpoint, tmp_path, "avx2")
    assert not (tmp_path / "model.onnx").exists()


def test_it_is_given_no_private_key_and_no_code(checkpoint: Path, tmp_path: Path) -> None:
    path = checkpoint / "config.json"
    told = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**told, "_attn_implementation_internal": "x/y"}), "utf-8")
    baseline._copy(checkpoint, tmp_path)
    assert not [key for key in json.loads((tmp_path / "config.json").read_text()) if key[0] == "_"]
    path.write_text(json.dumps({**told, "auto_map": {}}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="auto_map"):
        baseline._copy(checkpoint, tmp_path)


def test_ropes_are_told_by_the_names_that_transformers_4_reads(tmp_path: Path) -> None:
    filled.make("modernbert").save_pretrained(tmp_path / "made")
    tiny.make_tokenizer(tmp_path / "made")
    (out := tmp_path / "out").mkdir()
    baseline._copy(tmp_path / "made", out)
    told = json.loads((out / "config.json").read_text("utf-8"))
    assert (told["global_rope_theta"], told["local_rope_theta"]) == (5e4, 500.0)
    assert told["global_attn_every_n_layers"] == 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("_elsewhere")
def test_optimum_runs_in_its_environment(checkpoint: Path, tmp_path: Path) -> None:
    done = baseline.export(baseline.make(), checkpoint, tmp_path, "avx2")
    model, texts = tmp_path / "model.onnx", ["lamp on", "play a song", "warm the room"]
    assert done["size_bytes"] == model.stat().st_size
    tokenizer = TextTokenizer(checkpoint / "tokenizer.json", max_tokens=64)
    with OnnxClassifier(model.read_bytes, tokenizer) as engine:
        found = [logits.argmax() for logits, _ in engine.map(texts)]
    wanted = predict.logits(checkpoint, texts, max_tokens=64).argmax(axis=1)
    assert found == list(wanted)
