"""The step on tiny decoders: the same tokens and logits where pieces were kept, by every kind."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from edgekit.checkpoint import chat_template as conversations
from edgekit.checkpoint.describe import describe
from edgekit.data import declaration
from edgekit.errors import CheckpointError, StepError, TemplateError
from edgekit.job.cost import Rates
from edgekit.job.job import Job, Planned, Tokens
from edgekit.runtime import rendering
from edgekit.steps.trim_vocab import plan as trim_vocab
from edgekit.steps.trim_vocab import run as trimming
from edgekit.steps.trim_vocab.run import run as run_trim_vocab
from edgekit.steps.trim_vocab.vocabulary import languages
from edgekit.steps.trim_vocab.vocabulary.settings import TrimVocabSettings
from tests.tiny import chat as tiny_chat
from tests.tiny.job import make_job

LOOSE: dict[str, Any] = {"most_tokens_rise": 9.0, "most_unknown_rise": 1.0}
LANGUAGES = ("en", "fr")
_listed = languages._listed


@functools.cache
def first_words(language: str) -> list[tuple[str, float]]:
    return list(itertools.islice(_listed(language), 2000))


@pytest.fixture(autouse=True)
def _short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real word lists, read once and cut: reading a whole one takes longer than a test."""
    monkeypatch.setattr(languages, "_listed", first_words)


@pytest.fixture
def job_of(tmp_path: Path) -> Callable[[str], Job]:
    def made(architecture: str) -> Job:
        project = tmp_path / "project"
        recipe = tiny_chat.RECIPE.replace("[en, fr, sw]", "[en, fr]")
        tiny_chat.make_project(project, architecture=architecture, recipe=recipe)
        for name in tiny_chat.SETS:
            rows = [row for row in tiny_chat.rows(name) if row["language"] in LANGUAGES]
            tiny_chat.write_rows(project / "data" / f"{name}.jsonl", rows)
        out = tmp_path / "trimmed"
        out.mkdir()
        return make_job(project, project / "model", out)

    return made


def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def new_ids(job: Job) -> dict[int, int]:
    """The new number of each old one, by the piece's text."""
    old, new = (tokenizer(folder).get_vocab() for folder in (job.checkpoint, job.out))
    return {number: new[piece] for piece, number in old.items() if piece in new}


def logits(folder: Path, ids: list[int]) -> np.ndarray:
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        found: np.ndarray = network(torch.tensor([ids])).logits[0].numpy()
    return found


@pytest.mark.parametrize("architecture", ["llama", "llama3", "mistral", "gemma3_text", "phi3"])
def test_logits_over_the_kept_pieces_stay(architecture: str, job_of: Callable[[str], Job]) -> None:
    """Byte-level BPE and that of SentencePiece, tables that are the output too and that are not."""
    job = job_of(architecture)
    done = run_trim_vocab(TrimVocabSettings(**LOOSE), job)
    before, after = describe(job.checkpoint), describe(job.out)
    removed = before.vocabulary - after.vocabulary
    tables = 2 if after.head_parameters else 1
    assert removed == done["after"]["pieces_removed"] > 300
    assert before.parameters - after.parameters == tables * removed * before.hidden
    assert sum(one["bit_equal"] for one in done["proof"]["by_language"].values()) > 0
    new = new_ids(job)
    old_tokenizer, new_tokenizer = tokenizer(job.checkpoint), tokenizer(job.out)
    texts = [text for name in LANGUAGES for text in declaration.paragraphs(name)]
    exact = []
    for text in texts:
        ids = old_tokenizer.encode(text).ids
        if all(number in new for number in ids):
            assert new_tokenizer.encode(text).ids == [new[number] for number in ids]
            exact.append(ids)
    assert len(exact) > len(texts) / 2
    ids = max(exact, key=len)[:64]
    kept = sorted(new)
    found = logits(job.out, [new[number] for number in ids])
    wanted = logits(job.checkpoint, ids)
    np.testing.assert_allclose(
        found[:, [new[number] for number in kept]], wanted[:, kept], atol=2e-5, rtol=1e-5
    )


def test_the_template_writes_the_same_tokens(job_of: Callable[[str], Job]) -> None:
    job = job_of("gemma3_text")
    path = job.checkpoint / "chat_template.jinja"
    template = path.read_text() + "{% if tools %}Qüxly zygote: {{ tools }}{% endif %}"
    path.write_text(template)
    run_trim_vocab(TrimVocabSettings(**LOOSE), job)
    assert (job.out / "chat_template.jinja").read_text() == template
    new = new_ids(job)
    old_tokenizer, new_tokenizer = tokenizer(job.checkpoint), tokenizer(job.out)
    said = [
        rendering.render(template, messages, bos="<bos>", eos="<eos>")
        for messages in conversations.CONVERSATIONS[:5]
    ]
    for text in [*said, "Qüxly zygote: "]:
        ids = old_tokenizer.encode(text, add_special_tokens=False).ids
        assert new_tokenizer.encode(text, add_special_tokens=False).ids == [new[i] for i in ids]


def test_special_tokens_and_the_ends_of_answers_keep_their_meaning(
    job_of: Callable[[str], Job],
) -> None:
    job = job_of("llama3")
    ends = [
        tokenizer(job.checkpoint).token_to_id(one) for one in ("<|eot_id|>", "<|end_header_id|>")
    ]
    config = {"eos_token_id": ends, "temperature": 0.6}
    (job.checkpoint / "generation_config.json").write_text(json.dumps(config))
    run_trim_vocab(TrimVocabSettings(**LOOSE), job)
    found = json.loads((job.out / "generation_config.json").read_text())
    assert [tokenizer(job.out).id_to_token(one) for one in found["eos_token_id"]] == [
        "<|eot_id|>", "<|end_header_id|>",
    ]  # fmt: skip
    assert found["temperature"] == 0.6
    added = tokenizer(job.checkpoint).get_added_tokens_decoder().values()
    kept = tokenizer(job.out).get_added_tokens_decoder().values()
    assert {one.content for one in kept} == {one.content for one in added}


def test_a_row_out_of_place_is_refused(
    job_of: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trimming.tables.trim

    def spoiled(source: Path, out: Path, rows: Any, **settings: Any) -> None:
        whole(source, out, [*rows[:10], *reversed(rows[10:])], **settings)

    monkeypatch.setattr(trimming.tables, "trim", spoiled)
    with pytest.raises(StepError, match="has the same tokens as before and other logits"):
        run_trim_vocab(TrimVocabSettings(**LOOSE), job_of("llama"))


def test_conversations_need_a_template(job_of: Callable[[str], Job]) -> None:
    job = job_of("llama")
    (job.checkpoint / "chat_template.jinja").unlink()
    with pytest.raises(StepError, match=r"has conversations .* put its authors' template"):
        run_trim_vocab(TrimVocabSettings(**LOOSE), job)


def test_a_gguf_file_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a GGUF file, .* name that\. .*`edgekit trim`"):
        describe(tmp_path / "model.gguf")


def test_the_plan_counts_on_smaller_tables(job_of: Callable[[str], Job]) -> None:
    """Of both, where the output has one of its own."""
    job = job_of("llama3")
    before = describe(job.checkpoint)
    planned = Planned(
        place="recipe.yaml:1",
        recipe=job.recipe,
        description=before,
        dataset=job.dataset,
        tokens=Tokens(train=1000, validation=1000, test=1000, longest=64),
        rates=Rates(1e-6, 1e-6, 1e-9, 1.0, 300_000_000),
        resolve=Path,
    )
    settings = TrimVocabSettings(size=500)
    trim_vocab.check(settings, planned)
    after = trim_vocab.after(settings, planned).description
    assert after.vocabulary == 500
    assert before.parameters - after.parameters == 2 * (before.vocabulary - 500) * before.hidden
    assert after.head_parameters == after.embedding_parameters == 500 * before.hidden
    assert trim_vocab.cost(settings, planned).disk_bytes == after.fp32_bytes


def test_literals_are_those_of_all_branches() -> None:
    found = rendering.literals("{% if x == 'y' %}One{{ '\\ntwo' }}{% else %}{{ 3 }}{% endif %}")
    assert {"One", "\ntwo", "y"} <= set(found)
    with pytest.raises(TemplateError, match="not valid in line 1"):
        rendering.literals("{% if %}")
