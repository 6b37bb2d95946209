"""Builds the recipes of a sample and compares them: `python tests/bench/table.py FOLDER [RECIPE…]`.

FOLDER is what `edgekit sample` left. Every artifact has an interleaved run of its own with its
teacher, in PyTorch and in ONNX Runtime, and with optimum's int8 of that teacher, on the texts of
the test set; quality is judged on all its rows. Prints a Markdown table, and keeps all numbers in
FOLDER/bench.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.bench.asked import Asked
from edgekit.tasks.classification.proof import bench

BASE = "recipe"
COLUMNS = (
    "recipe", "MB", "smaller", "faster than torch", "than ORT fp32", "macro-F1 kept",
    "worst language", "verdict", "than optimum: smaller", "faster", "built in", "peak memory",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("recipes", nargs="*", help="such as small (default: all of the folder)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    settings = parser.parse_args(arguments)
    teacher = build(settings.folder, BASE)["teacher"]
    names = settings.recipes or variants(settings.folder)
    results: dict[str, dict[str, Any]] = {}
    for name in names:
        built = build(settings.folder, name)
        results[name] = {"built": built, **measure(built, Path(teacher), settings)}
        # After each: an hour's work must not hang on the last recipe.
        (settings.folder / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
    return 0


def variants(folder: Path) -> list[str]:
    """The recipes that start from the teacher that the folder's own recipe makes."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))}
    return [name for name, text in texts.items() if "extends: builtin/classify-" in text]


def build(folder: Path, name: str) -> dict[str, Any]:
    """What `edgekit compress --json` said, with what all steps took when they were made."""
    out = folder / "out" if name == BASE else folder / f"out-{name}"
    command = [sys.executable, "-m", "edgekit", "compress", str(folder / f"{name}.yaml")]
    done = subprocess.run(
        [*command, "--out", str(out), "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    # 3 and 4 are verdicts: the artifact is there, and the table says which.
    if done.returncode not in (0, 3, 4):
        raise SystemExit(f"{name}.yaml could not be built (exit code {done.returncode})")
    built = dict(json.loads(done.stdout.splitlines()[-1]))
    # What is reused now took its time once.
    steps = json.loads((out / "measured.json").read_text(encoding="utf-8"))["steps"]
    built["seconds"] = sum(step["took"]["seconds"] for step in steps)
    built["peak_rss_bytes"] = max(step["took"]["peak_bytes"] for step in steps)
    return built


def measure(
    built: Mapping[str, Any], teacher: Path, settings: argparse.Namespace
) -> dict[str, Any]:
    asked = Asked(
        artifact=Path(built["artifacts"][0]["path"]),
        against=teacher,
        data=settings.folder / "data" / "test.csv",
        baseline=True,
        quick=False,
        threads=settings.threads,
        rounds=settings.rounds,
    )
    return bench.run(asked, on_progress=lambda fraction: None)


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for name, found in results.items():
        ratio, artifact = found["ratio"], found["quality"]["artifact"]
        lines.append(
            (
                name,
                megabytes(found["artifact"]["size_bytes"]),
                f"{ratio['size']:.1f}×",
                f"{ratio['torch_fp32']:.1f}×",
                f"{ratio['ort_fp32']:.1f}×",
                f"{artifact['kept']:.2%}",
                worst(artifact),
                artifact["verdict"] or "–",
                f"{ratio['size_optimum_int8']:.1f}×",
                f"{ratio['optimum_int8']:.1f}×",
                f"{found['built']['seconds'] / 60:.1f} min",
                f"{found['built']['peak_rss_bytes'] / 1e9:.1f} GB",
            )
        )
    if results:
        lines.append(baseline(next(reversed(results.values()))))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def baseline(found: Mapping[str, Any]) -> tuple[str, ...]:
    """optimum's int8, from the last artifact's run."""
    optimum, judged = found["optimum_int8"], found["quality"]["optimum_int8"]

    def times(side: str, key: str) -> str:
        return f"{found[side][key] / optimum[key]:.1f}×"

    return (
        "optimum's int8",
        megabytes(optimum["size_bytes"]),
        times("torch_fp32", "size_bytes"),
        times("torch_fp32", "p50_ms"),
        times("ort_fp32", "p50_ms"),
        f"{judged['kept']:.2%}",
        worst(judged),
        *("–",) * 5,
    )


def megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f}"


def worst(judged: Mapping[str, Any]) -> str:
    found = judged["worst_language"]
    return "–" if found is None else f"{found['language']} {found['kept']:.1%}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
