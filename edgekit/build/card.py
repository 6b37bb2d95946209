"""The model card of an artifact: what it is, for whom, and how good, in a page of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.wording.units import or_dash

TO_MIND = (
    "It was judged on the recipe's test set alone. Texts of another kind, from other people or in "
    "other languages may be answered worse; look at a few hundred of your own before you rely on "
    "it, and let a person decide where an error would harm somebody."
)


def text(fields: Mapping[str, Any]) -> str:
    """MODEL_CARD.md from a manifest's fields; says only what the manifest says."""
    languages = ", ".join(fields["languages"])
    steps = [f"{number}. {_step(step)}" for number, step in enumerate(fields["steps"], 1)]
    blocks = [
        f"# {fields['name']}",
        f"A model for {fields['task']} in {languages}, made with edgekit.",
        "## What it is",
        "\n".join(_facts(fields)),
        "## How it was made",
        "\n".join(steps),
        "## How good it is",
        *_quality(fields["task"], fields["quality"]),
        "## What to mind",
        TO_MIND,
    ]
    return "\n\n".join(blocks) + "\n"


def _facts(fields: Mapping[str, Any]) -> list[str]:
    model = fields["model"]
    parents = ", ".join(f"{parent['name']} ({parent['licence']})" for parent in fields["parents"])
    labels = [f"- Labels: {', '.join(fields['labels'])}"] if fields["labels"] else []
    return [
        *labels,
        f"- Format: {model['format']}, {model['quantization']}, "
        f"{model['parameters'] / 1e6:.1f} million parameters",
        _TASKS[fields["task"]].reads.format(max_tokens=model["max_tokens"]),
        f"- Made from: {parents}. Licence: {fields['licence']}; see LICENSE.",
    ]


def _step(step: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in step["settings"].items() if value)
    return f"{step['step']} ({settings})" if settings else str(step["step"])


def _quality(task: str, quality: Mapping[str, Any]) -> list[str]:
    if not quality:
        return ["It was not judged: the recipe named no test set."]
    return _TASKS[task].quality(quality)


def _classification(quality: Mapping[str, Any]) -> list[str]:
    artifact = quality["artifact"]
    blocks = [
        f"On {quality['rows']:,} test rows: macro-F1 {artifact['macro_f1']:.3f}, accuracy "
        f"{artifact['accuracy']:.3f}."
    ]
    if "teacher" in quality:
        blocks.append(
            f"Against the uncompressed model: {quality['kept']:.1%} of its {quality['metric']} is "
            f"left, {quality['agreement']:.1%} of answers are equal.{_verdict(quality)}"
        )
    rows = [
        f"| {name} | {part['rows']} | {part['macro_f1']:.3f} |"
        for name, part in artifact["by_language"].items()
    ]
    return [*blocks, "\n".join(["| language | rows | macro-F1 |", "| --- | --- | --- |", *rows])]


def _chat(quality: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {name} | {part['tokens']} | {or_dash(part['kld'], '.4f')} | "
        f"{or_dash(part['top1'], '.1%')} | "
        f"{part['ppl_ratio']:.4f} |"
        for name, part in quality["by_language"].items()
    ]
    return [
        f"On {quality['tokens']:,} tokens of {quality['rows']:,} test rows, against the "
        f"uncompressed model: its predictions diverge by {quality['kld']:.4f} nats a token (99 % "
        f"of tokens by less than {quality['kld_p99']:.3f}), {quality['top1']:.1%} of its likeliest "
        f"tokens are the same, and its perplexity is {quality['ppl_ratio']:.4f} times as high."
        f"{_verdict(quality)}",
        *_read_anew(quality),
        *_questions(quality),
        "\n".join(
            [
                "| language | tokens | divergence | same choice | perplexity, times |",
                "| --- | --- | --- | --- | --- |",
                *rows,
            ]
        ),
    ]


def _read_anew(quality: Mapping[str, Any]) -> list[str]:
    anew = quality.get("read_anew")
    if anew is None:
        return []
    bits = anew["bits_per_byte"]
    return [
        f"{anew['rows']:,} of the rows have pieces that it has lost: up to the first of them the "
        "rows were compared token by token. It spends "
        f"{bits['model']:.4f} bits a byte on them, and the uncompressed model {bits['parent']:.4f}."
    ]


def _summarization(quality: Mapping[str, Any]) -> list[str]:
    metric = quality["metric"]
    rows = [
        f"| {name} | {part['rows']} | {part[metric]:.3f} | {part['lead'][metric]:.3f} |"
        for name, part in quality["by_language"].items()
    ]
    return [
        f"On {quality['rows']:,} test rows: ROUGE-1 {quality['rouge1']:.3f}, ROUGE-2 "
        f"{quality['rouge2']:.3f}, ROUGE-Lsum {quality['rougeLsum']:.3f}, chrF "
        f"{quality['chrf']:.3f}; the beginning of each text, as long, has {metric} "
        f"{quality['lead'][metric]:.3f}.",
        f"{_kept_summaries(quality, metric)}{_verdict(quality)}",
        "\n".join([f"| language | rows | {metric} | a lead |", "| --- | --- | --- | --- |", *rows]),
    ]


def _kept_summaries(quality: Mapping[str, Any], metric: str) -> str:
    if quality["kept"] is None:
        return f"The uncompressed model's {metric} is 0: there is nothing to keep."
    return f"Against the uncompressed model: {quality['kept']:.1%} of its {metric} is left."


def _questions(quality: Mapping[str, Any]) -> list[str]:
    asked = quality.get("questions")
    if asked is None:
        return []
    return [
        f"Of {asked['rows']:,} questions with one right answer it has "
        f"{asked['artifact']['accuracy']:.1%} right, and the uncompressed model "
        f"{asked['teacher']['accuracy']:.1%}."
    ]


def _verdict(quality: Mapping[str, Any]) -> str:
    return f" Verdict: {quality['verdict']}." if quality["verdict"] else ""


@dataclass(frozen=True, slots=True)
class _Task:
    """What the card says of one task alone."""

    reads: str
    quality: Callable[[Mapping[str, Any]], list[str]]


_TASKS = {
    "chat": _Task("- Reads and writes {max_tokens} tokens in one conversation at most.", _chat),
    "classification": _Task(
        "- Reads {max_tokens} tokens at once; longer texts are read in several parts.",
        _classification,
    ),
    "summarization": _Task(
        "- Reads {max_tokens} tokens at once; longer texts are read in parts, all of them.",
        _summarization,
    ),
}
