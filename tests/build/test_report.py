"""The page says what was measured, to people, and nothing in a text can act on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.build.report import Reported, ReportedOutput, render, write
from edgekit.data.rows import Row
from edgekit.tasks.classification.proof.quality import Must, flip_rows, judge

LABELS = ["off", "on"]
HOSTILE = '<script src="//x"></script><img onerror=a> {{ 7*7 }} \u202eflip\x1b[2J\x00\ud800 " \''


def made(worse: float, *, keep: float | None = 0.9, rows: int = 1200) -> ReportedOutput:
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, rows)
    teacher = np.eye(2)[truth] * 2 + random.normal(size=(rows, 2))
    artifact = teacher + random.normal(size=(rows, 2)) * worse
    languages = ["ar", "pt-BR", "xx"]
    data = [
        Row(f"{HOSTILE} {place}", LABELS[label], languages[place % 3], slices={"<b>": "<i>"})
        for place, label in enumerate(truth)
    ]
    quality = judge(
        data,
        artifact,
        LABELS,
        teacher_logits=teacher,
        languages=["ar", "pt-BR", "sw"],
        must=Must(keep=keep),
    )
    return ReportedOutput(
        manifest=manifest(quality),
        flips=flip_rows(data, artifact, LABELS, teacher_logits=teacher),
        latency={"p50_ms": 4.2, "p95_ms": 9.9, "texts": 200},
    )


def manifest(quality: Mapping[str, Any]) -> dict[str, Any]:
    model = {
        "format": "onnx", "files": ["model.onnx"], "quantization": "int8", "parameters": 5_000_000,
        "max_tokens": 512, "abstain_below": 0.25,
    }  # fmt: skip
    return {
        "name": "tiny-onnx",
        "task": "classification",
        "quality": quality,
        "model": model,
        "files": [
            {"path": "model.onnx", "size_bytes": 5_000_000},
            {"path": "tokenizer.json", "size_bytes": 900_000},
        ],
        "needs": {"ram_bytes": 80_000_000, "disk_bytes": 6_000_000, "cpu": "any"},
        "steps": [
            {
                "step": "trim_vocab",
                "settings": {"coverage": 0.9999},
                "before": {"vocabulary": 250037},
                "after": {"vocabulary": 20378, "tokens": {"en": 1.02}},
            }
        ],
    }


def reported(*outputs: ReportedOutput, **changes: Any) -> Reported:
    work = {
        "step": "finetune",
        "estimated": {"seconds": 600, "peak_bytes": 2_000_000_000},
        "took": {"seconds": 75, "peak_bytes": 1_500_000_000},
        "reused": True,
    }
    whole = Reported("tiny", outputs, 20_000_000, [work], 80.0, 1_500_000_000)
    return replace(whole, **changes)


class Page(HTMLParser):
    """Collects tags and the visible text of a page; checks that its tags are balanced."""

    VOID = ("meta", "rect", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def test_page_says_what_was_measured() -> None:
    page = Page(render(reported(made(0.02)))).text
    assert "The small model can stand in for the large one." in page
    assert "4.0 times smaller" in page
    for said in ("Arabic", "Portuguese (BR)", "4.2 ms", "trim vocab", "20,378", "1 min 15 s"):
        assert said in page
    assert "Not judged, for want of test texts: Swahili" in page
    assert "Languages it was not made for" in page


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    html = render(reported(made(0.6)))
    page = Page(html)
    assert '<script src="//x"></script><img onerror=a> {{ 7*7 }}' in page.text
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "link", "iframe", "object"})
    assert not any(name.startswith("on") for _, found in page.tags for name in found)
    assert not any({"src", "href"} & found.keys() for _, found in page.tags)
    assert "\x1b" not in html
    assert "\x00" not in html
    assert any(found.get("dir") == "auto" for _, found in page.tags)


@pytest.mark.parametrize(
    ("worse", "keep", "rows", "said"),
    [
        (0.02, 0.9, 1200, "can stand in"),
        (3.0, 0.99, 1200, "too much is lost"),
        (0.02, 0.99, 60, "too few test texts"),
        (0.02, None, 1200, "asks for nothing that must hold"),
    ],
)
def test_headline_follows_the_verdict(
    worse: float, keep: float | None, rows: int, said: str
) -> None:
    assert said in Page(render(reported(made(worse, keep=keep, rows=rows)))).text


def test_missed_target_and_trial_are_said_before_a_pass() -> None:
    output = replace(made(0.02), missed=("size: 6 MB where 5 MB are asked",))
    page = Page(render(reported(output))).text
    assert "misses a target" in page
    assert "size: 6 MB where 5 MB are asked" in page
    assert "can stand in" not in page
    trial = Page(render(reported(made(0.02), smoke=True))).text
    assert "This was a trial run" in trial
    assert "can stand in" not in trial


def test_output_without_test_set_or_with_bench_is_a_whole_page() -> None:
    bench = {"threads": 2, "artifact": {"p50_ms": 1.0, "p95_ms": 2.0, "peak_rss_bytes": 1e8}}
    bare = ReportedOutput(manifest=manifest({}), bench=bench)
    page = Page(render(reported(bare, made(0.02)))).text
    assert "It was not judged: the recipe names no test set." in page
    assert "half within" in page


def test_artifact_judged_without_a_teacher_is_a_whole_page() -> None:
    rows = [Row("a", "on", "en"), Row("b", "off", "en")]
    quality = judge(rows, np.eye(2)[[1, 0]], LABELS)
    page = Page(render(reported(ReportedOutput(manifest=manifest(quality))))).text
    assert "Answers that changed" not in page
    assert "English" in page


def test_same_input_gives_the_same_file(tmp_path: Path) -> None:
    write(tmp_path / "a.html", reported(made(0.3)))
    write(tmp_path / "b.html", reported(made(0.3)))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_what_a_step_proved_is_a_table_by_language() -> None:
    output = made(0.1)
    step = {
        "step": "trim_vocab",
        "settings": {},
        "before": {},
        "after": {},
        "proof": {
            "by_language": {
                "fr": {"texts": 1234, "tokens_per_word": {"before": 1.5, "after": 1.6}},
                "zh-CN": {"texts": 7},
            }
        },
        "notes": ["nothing changed: <b>every</b> piece stays"],
    }
    output = replace(output, manifest={**output.manifest, "steps": [step]})
    page = render(Reported("x", [output], 1000, [], 1.0, 1000))
    assert "tokens per word, after" in page
    for cell in ("French", "1,234", "1.6", "Chinese (CN)", "&lt;b&gt;every&lt;/b&gt;"):
        assert cell in page
