"""Compares a decoder with itself of fewer pieces: `python tests/bench/trimmed.py MODEL OUT`.

MODEL is a checkpoint, such as gemma.py leaves; `--guide` is the folder of Debian's package
installation-guide-amd64, unpacked. Builds both at the same quantization, the small one after
trim_vocab has proven its logits over the kept pieces equal to the bit, and lets both write in
turns. Prints a Markdown table, and keeps all numbers in OUT/trimmed.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import knapsack
import numpy as np
import yaml

from edgekit.bench.child import Child, SidePlan
from edgekit.build import build, plan
from edgekit.recipe import recipe
from edgekit.tasks.chat.proof.sides import Timed

SIZE = 40_000
MOST_TOKENS_RISE = 0.1
ANSWER_TOKENS = 64
CONTEXT = 1024
_PROMPTS = ("The farmer walked to the market and", "Le petit village au bord de la mer")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--guide", type=Path, required=True)
    parser.add_argument("--languages", nargs="+", default=["en", "fr"])
    parser.add_argument("--size", type=int, default=SIZE, help="pieces that stay")
    parser.add_argument("--quantize", default="q4_k_m")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    settings = parser.parse_args(arguments)
    knapsack.write_data(settings.guide, settings.out / "data", settings.languages)
    trim = {"trim_vocab": {"size": settings.size, "most_tokens_rise": MOST_TOKENS_RISE}}
    whole, trimmed = (make(settings, "whole", []), make(settings, "trimmed", [trim]))
    found = {"whole": whole, "trimmed": trimmed, "speed": speeds(settings, whole, trimmed)}
    (settings.out / "trimmed.json").write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    return 0


def make(
    settings: argparse.Namespace, name: str, steps: Sequence[Mapping[str, object]]
) -> dict[str, Any]:
    """Builds and judges one file; the step store has what an earlier one finished."""
    document = {
        "version": 1,
        "name": name,
        "task": "chat",
        "languages": [knapsack.tag(language) for language in settings.languages],
        "model": str(settings.model.resolve()),
        "data": {one: f"data/{one}.jsonl" for one in knapsack.SHARES},
        **({"steps": list(steps)} if steps else {}),
        "outputs": [{"gguf": {"quantize": settings.quantize}}],
        "seed": 7,
    }
    path = settings.out / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    built = build.compress(plan.make(recipe.read(path), out=settings.out / f"built-{name}"))
    [artifact] = built.artifacts
    manifest = artifact.manifest
    return {
        "artifact": str(artifact.path),
        "size_bytes": next(artifact.path.glob("*.gguf")).stat().st_size,
        "vocabulary": manifest["model"]["chat"]["vocabulary"],
        "quality": manifest["quality"],
        "steps": manifest["steps"][:-1],
    }


def speeds(
    settings: argparse.Namespace, whole: Mapping[str, Any], trimmed: Mapping[str, Any]
) -> dict[str, Any]:
    """Tokens a second that each writes, by llama-cpp-python alone, and the median of the ratios of
    turns that follow each other."""
    with ExitStack() as stack:
        sides = []
        for one in (whole, trimmed):
            request = {"folder": one["artifact"], "threads": settings.threads, "context": CONTEXT}
            size = one["size_bytes"]
            asked = SidePlan("edgekit.tasks.chat.proof.sides", "raw", request, size, size)
            child = stack.enter_context(Child(asked))
            child.open()
            child.ask("answer", {"prompt": _PROMPTS[0], "tokens": 2})
            sides.append(child)
        rates: list[list[float]] = [[], []]
        for turn in range(settings.rounds):
            for number in (0, 1) if turn % 2 == 0 else (1, 0):
                prompt = f"{turn}. {_PROMPTS[turn % 2]}"
                question = {"prompt": prompt, "tokens": ANSWER_TOKENS}
                took = Timed(**sides[number].ask("answer", question))
                rates[number].append((took.tokens - 1) / took.rest_s)
    ratios = np.array(rates[1]) / np.array(rates[0])
    return {
        "whole": round(float(np.median(rates[0])), 1),
        "trimmed": round(float(np.median(rates[1])), 1),
        "ratio": round(float(np.median(ratios)), 3),
        "ratios": [round(float(one), 3) for one in ratios],
    }


def table(found: Mapping[str, Any]) -> str:
    lines = ["| | pieces | bytes | tokens/s | KLD | same top | perplexity, times |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name in ("whole", "trimmed"):
        one, quality = found[name], found[name]["quality"]
        lines.append(
            f"| {name} | {one['vocabulary']:,} | {one['size_bytes']:,} | {found['speed'][name]} "
            f"| {quality['kld']:.4f} | {quality['top1']:.1%} | {quality['ppl_ratio']:.4f} |"
        )
    smaller = found["whole"]["size_bytes"] / found["trimmed"]["size_bytes"]
    lines.append(f"\nsmaller: {smaller:.2f} times, faster: {found['speed']['ratio']:.2f} times")
    for step in found["trimmed"]["steps"]:
        for language, proof in step.get("proof", {}).get("by_language", {}).items():
            lines.append(
                f"{language}: {proof['bit_equal']} texts whose logits over the kept pieces are the "
                f"same bits, {proof['changed']:.1%} of {proof['texts']} texts with other tokens, "
                f"{proof.get('tokens_per_word') or proof.get('tokens_per_character')}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
