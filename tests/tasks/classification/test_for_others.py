"""An artifact's folder opens in other programs, which give its labels and scores."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from transformers import AutoConfig, AutoTokenizer

import edgekit
from edgekit.build.outcome import Built
from edgekit.checkpoint import for_others
from edgekit.checkpoint.describe import STATIC
from tests.tiny import encoder as tiny

# Version 3 reads the tokenizers that today's libraries write as if no space stood before a text.
TRANSFORMERS_JS = "@huggingface/transformers@4.3.2"
SCRIPT = """\
import { env, pipeline } from "@huggingface/transformers";
env.allowRemoteModels = false;
env.localModelPath = process.argv[2];
const texts = JSON.parse(process.argv[4]);
const classify = await pipeline("text-classification", process.argv[3],
  { subfolder: "" });
const found = [];
for (const text of texts) found.push(await classify(text, { top_k: null }));
console.log(JSON.stringify(found));
"""


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def scores(artifact: Path, texts: list[str]) -> list[dict[str, float]]:
    with edgekit.load(artifact) as model:
        return [dict(answer.scores) for answer in model.classify(texts)]


def test_transformers_reads_its_labels_and_its_tokenizer(built: Built) -> None:
    artifact = built.artifacts[0].path
    config = AutoConfig.from_pretrained(artifact)
    tokenizer = AutoTokenizer.from_pretrained(artifact)
    session = onnxruntime.InferenceSession(artifact / "model.onnx")
    named = [entry.name for entry in session.get_inputs()]
    texts = tiny.texts()[::11]
    for text, wanted in zip(texts, scores(artifact, texts), strict=True):
        read = tokenizer(text, truncation=True, return_tensors="np")
        logits = session.run(None, {name: read[name].astype(np.int64) for name in named})[0][0]
        found = {config.id2label[at]: score for at, score in enumerate(softmax(logits))}
        assert found == pytest.approx(wanted, abs=1e-6)
    most = built.artifacts[0].manifest["model"]["max_tokens"]
    assert len(tokenizer(" ".join(texts * 9), truncation=True)["input_ids"]) == most
    assert tokenizer.pad_token_id == config.pad_token_id


def test_both_files_say_nothing_of_the_machine_or_the_versions(built: Built) -> None:
    artifact = built.artifacts[0].path
    said = json.loads((artifact / "config.json").read_text(encoding="utf-8"))
    assert not {"transformers_version", "dtype", "torch_dtype", "_name_or_path"} & set(said)
    assert said["id2label"] == {str(at): label for at, label in enumerate(tiny.LABELS)}


def test_an_architecture_that_only_edgekit_knows_has_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": STATIC}))
    assert for_others.encoder_files(tmp_path, ["a", "b"], max_tokens=64) == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_transformers_js_gives_the_same_scores(built: Built, tmp_path: Path) -> None:
    artifact = built.artifacts[0].path
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", TRANSFORMERS_JS]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "classify.mjs").write_text(SCRIPT, encoding="utf-8")
    texts = tiny.texts()[::40]
    command = [
        "node",
        "classify.mjs",
        f"{artifact.parent}{os.sep}",
        artifact.name,
        json.dumps(texts),
    ]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    for ranked, wanted in zip(found, scores(artifact, texts), strict=True):
        assert {one["label"]: one["score"] for one in ranked} == pytest.approx(wanted, abs=1e-6)
