"""A recipe of the task chat, from checkpoint to artifact, on a tiny decoder."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import edgekit
from edgekit.artifact import folder as artifact
from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.build.report import Reported, ReportedOutput, render
from edgekit.cli import FAILED, INCONCLUSIVE, main
from edgekit.data.rows import Row
from edgekit.errors import DataError
from edgekit.export.gguf import greedy
from edgekit.job.events import Event
from edgekit.recipe import recipe
from edgekit.runtime import rendering
from edgekit.runtime.gguf import loading
from edgekit.system import paths
from edgekit.system.digest import sha256_bytes
from edgekit.tasks.chat.proof import judge as chat
from edgekit.tasks.chat.proof import questions
from tests.tiny import chat as tiny_chat


def make_again(
    project: Path, out: Path, *, changes: tuple[str, ...] = (), smoke: bool = False
) -> tuple[Built, list[Event]]:
    events: list[Event] = []
    bound = recipe.read(project / "recipe.yaml", changes=changes)
    return build.compress(plan.make(bound, out=out, smoke=smoke), on_event=events.append), events


def test_the_artifact_holds_the_model_and_what_is_known_of_it(built_chat: Built) -> None:
    [made] = built_chat.artifacts
    found = artifact.read(made.path)
    artifact.verify(found)
    assert sorted(path.name for path in made.path.iterdir()) == [
        "LICENSE", "MODEL_CARD.md", "golden.json", "manifest.json", "model.gguf",
        "modelfile",
    ]  # fmt: skip
    manifest = found.manifest
    assert (manifest.task, manifest.labels, manifest.model.format) == ("chat", (), "gguf")
    template = (built_chat.teacher / "chat_template.jinja").read_bytes()
    assert manifest.model.chat is not None
    assert manifest.model.chat.template_sha256 == sha256_bytes(template)
    # 2 layers, 2 heads of keys and of values, 16 wide, 2 bytes.
    assert manifest.model.chat.kv_bytes_per_token == 2 * 2 * 2 * 16 * 2
    assert manifest.model.chat.context == manifest.model.max_tokens == 512
    assert manifest.needs.ram_bytes == edgekit.inspect(made.path).needed_bytes
    assert manifest.licence == "cc0-1.0"
    assert {"gguf", "llama-cpp-python"} <= set(manifest.lock["packages"])


def test_it_is_judged_in_every_language_against_its_parent(built_chat: Built) -> None:
    [made] = built_chat.artifacts
    quality = made.manifest["quality"]
    assert made.verdict == built_chat.verdict == quality["verdict"] == "PASS"
    assert set(quality["by_language"]) == set(tiny_chat.LANGUAGES)
    assert quality["rows"] == len(tiny_chat.rows("test"))
    assert quality["documents"] == len({row["group"] for row in tiny_chat.rows("test")})
    assert quality["tokens"] == sum(part["tokens"] for part in quality["by_language"].values())
    assert 0 < quality["kld"] < 0.01
    assert quality["bounds"]["kld"]["low"] < quality["kld"] < quality["bounds"]["kld"]["high"]


def test_golden_answers_come_out_again(built_chat: Built) -> None:
    folder = built_chat.artifacts[0].path
    golden = json.loads((folder / "golden.json").read_bytes())
    assert golden["inputs"]
    found = greedy.answers(folder / "model.gguf", golden["inputs"], count=16, threads=1)
    for wanted, one in zip(golden["answers"], found, strict=True):
        tokens = wanted["tokens"]
        assert tokens
        assert list(one.tokens[: len(tokens)]) == tokens
        assert min(one.margins[: len(tokens)]) >= chat.CLEAR_MARGIN
        # The prefix ends where a token does not lead clearly.
        assert len(tokens) == len(one.tokens) or one.margins[len(tokens)] < chat.CLEAR_MARGIN


def test_others_open_its_file_and_say_the_same(
    built_chat: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With some CPUs' kernels llama.cpp ends the process, whoever asks it.
    monkeypatch.setattr("llama_cpp.llama_cpp.llama_model_default_params", loading.settings)
    folder = built_chat.artifacts[0].path
    dump = Path(sys.executable).with_name("gguf-dump")
    told = subprocess.run([dump, "--json", "--no-tensors", folder / "model.gguf"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    metadata = json.loads(told.stdout)["metadata"]
    assert metadata["general.architecture"]["value"] == "llama"
    assert "general.size_label" in metadata
    golden = json.loads((folder / "golden.json").read_bytes())
    model = llama_cpp.Llama(str(folder / "model.gguf"), n_ctx=256, n_threads=1, verbose=False)
    try:
        template = model.metadata["tokenizer.chat_template"]
        bos, eos = (
            model._model.token_get_text(one) for one in (model.token_bos(), model.token_eos())
        )
        for messages, wanted in zip(golden["inputs"], golden["answers"], strict=True):
            prompt = rendering.render(template, messages, bos=bos, eos=eos)
            ids = model.tokenize(prompt.encode(), add_bos=False, special=True)
            found = islice(model.generate(ids, top_k=1), len(wanted["tokens"]))
            assert list(found) == wanted["tokens"]
    finally:
        model.close()


def test_a_modelfile_for_ollama_lies_beside_it(built_chat: Built) -> None:
    folder = built_chat.artifacts[0].path
    lines = (folder / "modelfile").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "FROM ./model.gguf"
    assert lines[1].startswith('TEMPLATE """')
    assert any(line.startswith("PARAMETER stop ") for line in lines)
    context = built_chat.artifacts[0].manifest["model"]["chat"]["context"]
    assert f"PARAMETER num_ctx {min(4096, context)}" in lines


def test_no_prompt_of_the_self_test_is_from_the_test_set(built_chat: Built) -> None:
    golden = json.loads((built_chat.artifacts[0].path / "golden.json").read_bytes())
    tested = {row.get("text") or row["messages"][0]["content"] for row in tiny_chat.rows("test")}
    for [turn] in golden["inputs"]:
        assert not any(text.startswith(turn["content"]) for text in tested)


def test_nothing_of_this_machine_or_this_run_is_inside(
    built_chat: Built, made_chat_project: Path
) -> None:
    for path in built_chat.artifacts[0].path.iterdir():
        data = path.read_bytes()
        for secret in (str(made_chat_project), str(paths.cache_dir()), str(Path.home())):
            assert secret.encode() not in data, path


def test_a_second_run_finds_everything_done_and_a_fresh_store_gives_the_same_bytes(
    built_chat: Built, made_chat_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, events = make_again(made_chat_project, tmp_path / "again")
    assert {event.state for event in events} == {"reused"}
    assert again.artifacts[0].manifest == built_chat.artifacts[0].manifest
    shutil.copytree(made_chat_project, tmp_path / "elsewhere")
    # The rates are this machine's and stay; all else is made anew.
    rates = paths.rates_file()
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    paths.rates_file().parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(rates, paths.rates_file())
    fresh, events = make_again(tmp_path / "elsewhere", tmp_path / "out")
    made_once = [event.step for event in events if event.state == "done"]
    assert made_once == ["checkpoint", "checkpoint-parity", "gguf-convert", "gguf-parity",
                         "teacher", "gguf-importance", "gguf-quantize", "judge"]  # fmt: skip
    assert fresh.artifacts[0].manifest["digest"] == built_chat.artifacts[0].manifest["digest"]


def test_every_piece_of_work_is_counted_once(built_chat: Built) -> None:
    measured = json.loads((built_chat.out / "measured.json").read_text())
    assert [one["step"] for one in measured["steps"]] == ["checkpoint", "teacher", "gguf"]
    taken = sum(one["took"]["seconds"] for one in measured["steps"])
    assert 0 < taken <= measured["seconds"]
    assert measured["artifacts"][0]["verdict"] == "PASS"


class _Words(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_report_says_how_far_each_language_is(built_chat: Built) -> None:
    page = " ".join(" ".join(_Words((built_chat.out / "report.html").read_text()).words).split())
    for said in ("can stand in", "Divergence", "English", "French", "Swahili", "all of these",
                 "same choice", "perplexity", "gguf"):  # fmt: skip
        assert said in page
    for unsaid in ("macro-F1", "label", "longer texts in several parts"):
        assert unsaid not in page


def test_the_report_compares_with_the_mix_of_the_same_size(built_chat: Built) -> None:
    manifest = copy.deepcopy(built_chat.artifacts[0].manifest)
    loss = {"size_bytes": 105_000_000, "kld": 0.0371, "kld_p99": 0.331, "top1": 0.891}
    tried = [{"types": "chosen", **loss}, {"types": "q4_k_m", **loss, "kld": 0.0441}]
    substituted = [{"wanted": "q4_k", "given": "q5_0", "row": 576, "tensors": 166}]
    more = {"tried": tried, "taken": "chosen", "tokens": 8000, "substituted": substituted}
    manifest["steps"][-1]["after"].update(more)
    page = render(Reported("x", [ReportedOutput(manifest)], 1000, [], 1.0, 1000))
    words = " ".join(" ".join(_Words(page).words).split())
    for said in ("taken: chosen", "0.0371", "0.0441", "166 matrices are in q5_0 where q4_k",
                 "in 16 bits, it predicted as", "Types of its matrices"):  # fmt: skip
        assert said in words


def test_the_card_says_what_it_is_and_how_good(built_chat: Built) -> None:
    card = (built_chat.artifacts[0].path / "MODEL_CARD.md").read_text()
    assert "A model for chat in en, fr, sw" in card
    assert "Verdict: PASS" in card
    assert "Labels" not in card
    assert "| sw |" in card


def test_questions_are_asked_of_both_models(
    built_chat: Built, made_chat_project: Path, tmp_path: Path
) -> None:
    """Beside the test set, with a verdict of their own; the build's other work is found done."""
    project = tmp_path / "project"
    shutil.copytree(made_chat_project, project)
    records: list[dict[str, Any]] = []
    for number in range(12):
        choices = [f"one {number}", "two", "three"][: 2 + number % 2]
        asked_for = {"choices": choices, "label": "two", "language": "en"}
        records.append({"text": f"question {number}", **asked_for})
    for number in range(12):
        turns = [{"role": "user", "content": f"swali {number}?"}]
        asked_for = {"choices": ["ndiyo", "hapana"], "label": "ndiyo", "language": "sw"}
        records.append({"messages": turns, **asked_for})
    tiny_chat.write_rows(project / "data" / "choices.jsonl", records)
    changes = ("data.choices=data/choices.jsonl", "must.keep=0.5")
    made, events = make_again(project, tmp_path / "out", changes=changes)
    done = [event.step for event in events if event.state == "done"]
    assert done == ["teacher-questions", "judge-questions"]
    quality = made.artifacts[0].manifest["quality"]
    asked = quality["questions"]
    assert asked["rows"] == 24
    assert {name: part["rows"] for name, part in asked["artifact"]["by_language"].items()} == {
        "en": 12, "sw": 12,
    }  # fmt: skip
    # 8 bits change next to nothing, so the answers are the same, on too few rows for more.
    assert asked["agreement"] >= 0.9
    assert quality["verdict"] == asked["verdict"] == made.verdict
    assert "Asked questions: " in quality["why"]
    # The likeliest choice by torch, question by question.
    network = AutoModelForCausalLM.from_pretrained(made.teacher).eval()
    tokenizer = AutoTokenizer.from_pretrained(made.teacher)
    right = 0
    for record in records[:12]:
        prompt = tokenizer(record["text"])["input_ids"]
        sums = []
        for choice in record["choices"]:
            ids = tokenizer(f" {choice}", add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logits = network(torch.tensor([[*prompt, *ids]])).logits[0]
            logp = torch.log_softmax(logits, -1)
            sums.append(sum(float(logp[len(prompt) - 1 + k, one]) for k, one in enumerate(ids)))
        right += record["choices"][int(np.argmax(sums))] == "two"
    assert asked["teacher"]["by_language"]["en"]["accuracy"] == pytest.approx(right / 12)
    page = (made.out / "report.html").read_text()
    assert "Questions with one right answer" in page
    assert (
        "questions with one right answer" in (made.artifacts[0].path / "MODEL_CARD.md").read_text()
    )


def test_a_question_longer_than_the_model_reads_is_refused(built_chat: Built) -> None:
    model = built_chat.artifacts[0].path / "model.gguf"
    told = Row("hi", messages=({"role": "user", "content": "hi"},), choices=("a", "b"), label="a")
    rows = [Row("Everyone has the right to", choices=("life", "cake"), label="life"), told]
    asked, answered = questions._sequences(model, rows, 100)
    assert len(asked) == len(answered) == 4
    assert all(1 <= count < len(one) for count, one in zip(answered, asked, strict=True))
    # The choices of a question share all but themselves.
    assert asked[0][: -answered[0]] == asked[1][: -answered[1]]
    with pytest.raises(DataError, match=r"the question 'Everyone has .* the model reads 4;"):
        questions._sequences(model, rows, 4)


@pytest.mark.slow
def test_a_trial_runs_the_whole_chain_on_two_layers(chat_project: Path) -> None:
    trial, _ = make_again(chat_project, chat_project / "out", smoke=True)
    assert (trial.smoke, trial.verdict) == (True, None)
    quality = trial.artifacts[0].manifest["quality"]
    assert quality["rows"] <= chat.TRIAL_ROWS
    assert not (chat_project / "out" / "tiny-chat-gguf").exists()


def test_without_a_test_set_it_is_built_and_not_judged(chat_project: Path, tmp_path: Path) -> None:
    text = (chat_project / "recipe.yaml").read_text().replace("  test: data/test.jsonl\n", "")
    must = next(line for line in text.splitlines() if line.startswith("must:"))
    (chat_project / "recipe.yaml").write_text(text.replace(f"{must}\n", ""))
    made, _ = make_again(chat_project, tmp_path)
    assert made.verdict is None
    assert made.artifacts[0].manifest["quality"] == {}
    assert "not judged" in (made.artifacts[0].path / "MODEL_CARD.md").read_text()


def test_each_verdict_has_its_exit_code(
    built_chat: Built, made_chat_project: Path, tmp_path: Path
) -> None:
    """The recipe asks for more than there is, and for just what there is."""
    found = built_chat.artifacts[0].manifest["quality"]
    recipe_file = str(made_chat_project / "recipe.yaml")
    for number, (change, code, said) in enumerate(
        [
            ("must.kld=1e-7", FAILED, "1e-07 is asked"),
            ("must.top1=1.0", FAILED, "of its likeliest tokens"),
            (f"must.kld={found['kld']}", INCONCLUSIVE, "test rows like these would settle it"),
            ("must.worst_language_kld=1e-7", FAILED, "the worst language"),
        ]
    ):
        out = tmp_path / str(number)
        assert main(["compress", recipe_file, "--out", str(out), "--set", change]) == code
        assert said in artifact.read(out / "tiny-chat-gguf").manifest.quality["why"]
