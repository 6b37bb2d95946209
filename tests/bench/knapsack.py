"""Compares a chosen mix of types with llama.cpp's own: `python tests/bench/knapsack.py MODEL OUT`.

MODEL is a decoder's checkpoint, such as gemma.py or `edgekit sample` leaves; `--guide` is the
folder of Debian's package installation-guide-amd64, unpacked, which says the same in many
languages. Builds q4_k_m with an importance matrix, then the choice at the size of that file with
embeddings of that file's type, and judges both on the guide's last chapters. Prints a Markdown
table, and keeps all numbers in OUT/knapsack.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import yaml

from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.recipe import recipe

LANGUAGES = ("en", "fr", "es", "de", "ru", "ja", "zh_CN", "vi")
ENCODINGS = {"ru": "koi8-r"}
SHARES = {"train": (0.05, 0.6), "validation": (0.6, 0.75), "test": (0.75, 0.97)}
"""Where each set lies in the guide; the table of contents and the licence at its ends are in none.
Translations of one passage lie at about the same place, so that none is in two sets."""
PASSAGE_CHARACTERS = 1200
ROWS = {"train": 40, "validation": 12, "test": 7}
"""Passages of each language."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--guide", type=Path, required=True)
    parser.add_argument("--languages", nargs="+", default=list(LANGUAGES))
    settings = parser.parse_args(arguments)
    write_data(settings.guide, settings.out / "data", settings.languages)
    stock = make(settings.model, settings.out, "stock", {"quantize": "q4_k_m"}, settings.languages)
    file = next(Path(stock["artifact"]).glob("*.gguf"))
    chosen = make(
        settings.model,
        settings.out,
        "chosen",
        {"quantize": {"size": file.stat().st_size}, "embeddings": embeddings_type(file)},
        settings.languages,
    )
    found = {"stock": stock, "chosen": chosen}
    (settings.out / "knapsack.json").write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    return 0


def write_data(guide: Path, out: Path, languages: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, (begin, end) in SHARES.items():
        with (out / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
            for language in languages:
                path = guide / language / f"install.{language}.txt.gz"
                text = gzip.decompress(path.read_bytes()).decode(ENCODINGS.get(language, "utf-8"))
                part = text[int(begin * len(text)) : int(end * len(text))]
                for passage in spread(list(passages(part)), ROWS[name]):
                    row = {"text": passage, "language": tag(language)}
                    print(json.dumps(row, ensure_ascii=False), file=stream)


def passages(text: str) -> Iterator[str]:
    """Whole paragraphs, their lines joined, until they have PASSAGE_CHARACTERS."""
    gathered = ""
    for paragraph in text.split("\n\n")[1:]:
        gathered = f"{gathered}\n\n{' '.join(paragraph.split())}".strip()
        if len(gathered) >= PASSAGE_CHARACTERS:
            yield gathered
            gathered = ""


def spread(items: Sequence[str], count: int) -> Sequence[str]:
    """`count` of them, evenly over all."""
    return items[:: max(1, len(items) // count)][:count]


def tag(language: str) -> str:
    """As a recipe names it."""
    return language.partition("_")[0]


def make(
    model: Path, out: Path, name: str, output: Mapping[str, object], languages: Sequence[str]
) -> dict[str, Any]:
    """Builds and judges one file; the step store has what an earlier one finished."""
    document = {
        "version": 1,
        "name": name,
        "task": "chat",
        "languages": [tag(language) for language in languages],
        "model": str(model.resolve()),
        "data": {one: f"data/{one}.jsonl" for one in SHARES},
        "must": {"kld": 0.1},
        "outputs": [{"gguf": output}],
        "seed": 7,
    }
    path = out / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    built: Built = build.compress(plan.make(recipe.read(path), out=out / "built"))
    [artifact] = built.artifacts
    return {"artifact": str(artifact.path), "quality": artifact.manifest["quality"]}


def embeddings_type(file: Path) -> str:
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    return str(tensors["token_embd.weight"].tensor_type.name).lower()


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Both files, and the shares that the choice saves."""
    lines = ["| types | bytes | tokens | KLD | 99 % | same top |", "|---|---|---|---|---|---|"]
    for name, one in found.items():
        quality = one["quality"]
        size = next(Path(one["artifact"]).glob("*.gguf")).stat().st_size
        lines.append(
            f"| {name} | {size:,} | {quality['tokens']} | {quality['kld']:.4f} "
            f"| {quality['kld_p99']:.3f} | {quality['top1']:.2%} |"
        )
    saved = {
        key: 1 - found["chosen"]["quality"][key] / found["stock"]["quality"][key]
        for key in ("kld", "kld_p99")
    }
    lines.append(f"\nless: {saved['kld']:.1%} on average, {saved['kld_p99']:.1%} at 99 %")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
