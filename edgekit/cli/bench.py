"""`edgekit bench`: speed, memory, cold start and size, alone or against the teacher."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from edgekit import paths
from edgekit.cli import DONE
from edgekit.cli.arguments import count
from edgekit.cli.output import messages, print_json, print_table
from edgekit.errors import EdgekitError
from edgekit.store import Store
from edgekit.units import human_bytes

if TYPE_CHECKING:
    from edgekit.tasks.rows import Row

NAMES = {
    "artifact": "artifact",
    "ort_fp32": "teacher in ONNX",
    "torch_fp32": "teacher in torch",
    "optimum_int8": "optimum's int8",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="an artifact's folder")
    parser.add_argument(
        "--against", type=Path, metavar="CHECKPOINT", help="the teacher, to compare with"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="texts to measure with: a column 'text', or a text a line (default: the texts that "
        "the artifact tests itself with)",
    )
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="compare with optimum's own int8 of the teacher, too, and judge both on the rows of "
        "--data where they have labels",
    )
    parser.add_argument("--threads", type=count, default=2, help="for a single text (default: 2)")
    parser.add_argument(
        "--rounds", type=count, default=5, help="times that each text is run (default: 5)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(settings: argparse.Namespace) -> int:
    # numpy and tokenizers: not for `--help`.
    from edgekit import artifact as artifacts
    from edgekit.bench import Teacher, bench

    if artifacts.read(settings.artifact).manifest.task == "chat":
        return _run_chat(settings)
    summarizes = artifacts.read(settings.artifact).manifest.task == "summarization"
    if settings.baseline and summarizes:
        raise EdgekitError(
            "--baseline is for classifiers; a summarizer is compared with its teacher in PyTorch."
        )
    if settings.baseline and settings.against is None:
        raise EdgekitError("--baseline compares with a teacher; name it with --against.")
    texts = _texts(settings.artifact, settings.data)
    with Store(paths.store_dir()) as store, Progress(console=messages(), transient=True) as bars:
        task = bars.add_task("bench", total=1.0)
        result = bench(
            settings.artifact,
            texts,
            against=settings.against and Teacher(settings.against, store, settings.baseline),
            threads=settings.threads,
            rounds=settings.rounds,
            on_progress=lambda fraction: bars.update(task, completed=fraction),
        )
        if settings.baseline and (rows := _rows(settings.data)):
            from edgekit.bench_quality import quality

            bars.update(task, description="quality", total=None)
            result["quality"] = quality(store, settings.artifact, rows, against=settings.against)
    if settings.json:
        print_json(result)
    elif summarizes:
        _print_summaries(result)
    else:
        _print(result)
    return DONE


def _run_chat(settings: argparse.Namespace) -> int:
    from edgekit import bench_chat

    for name in ("against", "data", "baseline"):
        if getattr(settings, name):
            raise EdgekitError(
                f"--{name} is for other artifacts; one that chats is compared with "
                "llama-cpp-python on the same file."
            )
    with Progress(console=messages(), transient=True) as bars:
        task = bars.add_task("bench", total=1.0)
        result = bench_chat.bench(
            settings.artifact,
            threads=settings.threads,
            rounds=settings.rounds,
            on_progress=lambda fraction: bars.update(task, completed=fraction),
        )
    if settings.json:
        print_json(result)
    else:
        _print_chat(result)
    return DONE


def _print_chat(result: dict[str, Any]) -> None:
    lengths = result["lengths"]
    print_table(
        f"Prompts of {lengths['prompt_tokens']} tokens and answers of {lengths['tokens']}, with "
        f"{result['threads']} threads, {result['rounds']} rounds in turns",
        ("", "reads", "writes", "first piece", "cold", "memory", "weights"),
        [
            (
                title,
                f"{result[name]['prompt_tokens_per_s']:,.0f} tokens/s",
                f"{result[name]['tokens_per_s']:,.1f} tokens/s",
                f"{result[name]['first_token_ms']:,.0f} ms",
                f"{result[name]['cold_start_ms']:,.0f} ms",
                human_bytes(result[name]["peak_rss_bytes"]),
                human_bytes(result[name]["size_bytes"]),
            )
            for name, title in (("artifact", "artifact"), ("raw", "raw"))
        ],
    )
    print(
        f"\nThe artifact writes {result['ratio']['raw']:.2f} times as fast as raw llama-cpp-python "
        "with the same file."
    )
    _warn_if_busy(result)


def _print_summaries(result: dict[str, Any]) -> None:
    lengths = result["lengths"]
    print_table(
        f"{lengths['texts']} texts of {lengths['mean']:.0f} tokens, one at a time with "
        f"{result['threads']} threads, {result['rounds']} rounds in turns",
        ("", "a text", "CPU", "first words", "writes", "memory", "weights"),
        [
            (
                title,
                f"{result[name]['p50_ms'] / 1000:.2f} s",
                f"{result[name]['cpu_ms'] / 1000:.2f} s",
                f"{result[name].get('first_words_ms', 0) / 1000:.2f} s",
                f"{result[name].get('tokens_per_s', 0):,.0f} tokens/s",
                human_bytes(result[name]["peak_rss_bytes"]),
                human_bytes(result[name]["size_bytes"]),
            )
            for name, title in NAMES.items()
            if name in result
        ],
    )
    if "ratio" in result:
        print(
            f"\nThe artifact is {result['ratio']['size']:.1f} times smaller than the teacher and "
            f"{result['ratio']['torch_fp32']:.1f} times as fast as it in PyTorch "
            f"({result['ratio_cpu']['torch_fp32']:.1f} times by CPU time)."
        )
    _warn_if_busy(result)


def _warn_if_busy(result: dict[str, Any]) -> None:
    if result["machine"]["load_before"] > 0.5:
        print("Other programs kept this machine busy: trust the ratios, not the milliseconds.")


def _texts(folder: Path, data: Path | None) -> list[str]:
    from edgekit import artifact as artifacts
    from edgekit.runtime import golden
    from edgekit.tasks.rows import read_texts

    if data is not None:
        return list(read_texts([data]))
    artifact = artifacts.read(folder)
    found = golden.read(artifacts.read_file(artifact, golden.GOLDEN), artifact.manifest)
    return golden.texts(found)


def _rows(data: Path | None) -> list[Row]:
    """The labelled rows of the data; none where it has no labels."""
    from edgekit.tasks.records import READERS
    from edgekit.tasks.rows import read_rows, stream_records

    if data is None or data.suffix.lower() not in READERS:
        return []
    return read_rows(data) if "label" in next(iter(stream_records(data))) else []


def _print(result: dict[str, Any]) -> None:
    lengths = result["lengths"]
    print_table(
        f"{lengths['texts']} texts of {lengths['mean']:.0f} tokens, one at a time with "
        f"{result['threads']} threads, {result['rounds']} rounds in turns",
        ("", "p50", "p95", "CPU", "texts/s", "cold", "memory", "weights"),
        [
            (
                title,
                f"{result[name]['p50_ms']:.1f} ms",
                f"{result[name]['p95_ms']:.1f} ms",
                f"{result[name]['cpu_ms']:.1f} ms",
                f"{result[name]['texts_per_s']:,.0f}",
                f"{result[name]['cold_start_ms']:,.0f} ms",
                human_bytes(result[name]["peak_rss_bytes"]),
                human_bytes(result[name]["size_bytes"]),
            )
            for name, title in NAMES.items()
            if name in result
        ],
    )
    if "ratio" in result:
        ratio = result["ratio"]
        print(
            f"\nThe artifact is {ratio['size']:.1f} times smaller, {ratio['torch_fp32']:.1f} times "
            f"as fast as the teacher in PyTorch and {ratio['ort_fp32']:.1f} times as fast as it in "
            "ONNX Runtime."
        )
        if "optimum_int8" in ratio:
            print(
                f"Than optimum's int8 of the same teacher it is {ratio['size_optimum_int8']:.1f} "
                f"times smaller and {ratio['optimum_int8']:.1f} times as fast."
            )
    if "quality" in result:
        _print_quality(result["quality"])
    _warn_if_busy(result)


def _print_quality(quality: dict[str, Any]) -> None:
    print_table(
        f"\nQuality on {quality['rows']:,} labelled rows",
        ("", "macro-F1", "of the teacher's", "worst language"),
        [
            (
                title,
                f"{100 * quality[name]['macro_f1']:.1f} %",
                f"{100 * quality[name]['kept']:.1f} %" if "kept" in quality[name] else "",
                _worst(quality[name].get("worst_language")),
            )
            for name, title in {**NAMES, "teacher": "teacher"}.items()
            if name in quality
        ],
    )


def _worst(worst: dict[str, Any] | None) -> str:
    return "" if worst is None else f"{worst['language']} {100 * worst['kept']:.1f} %"
