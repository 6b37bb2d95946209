"""Whether a change of the code leaves every byte that a build writes: compares two source trees.

    python -m tests.same_bytes REVISION          this checkout with a revision of it
    python -m tests.same_bytes --write FILE      keeps what this checkout builds, compares nothing
    python -m tests.same_bytes --baseline FILE   this checkout with what was kept

Each tree builds the same prepared projects with the command line alone, in a cache of its own.
Compared are the keys of the step store (else finished work would be made anew) and every file of
the artifacts and of the teacher. A line a build says what is equal or what differs first.
`--tree DIR` stands for this checkout, `--builds NAME…` are some of BUILDS, and `--inputs DIR` is
where the projects are made once; remove it to have them anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILDS = {
    "classifier": "classifier/recipe.yaml",
    "classifier-static": "classifier/static.yaml",
    "extractive": "extractive/recipe.yaml",
    "seq2seq": "seq2seq/recipe.yaml",
    "chat": "chat/recipe.yaml",
    "chat-steps": "chat/steps.yaml",
    "home-intents": "home-intents/quick.yaml",
}
"""Recipes in the folder of inputs, the one that takes minutes last."""
JUDGED = (0, 3, 4)
"""Exit codes of a build that left an artifact; which of them may hang on a latency of this run."""
TIMED = ("measured.json", "report.html")
"""What tells of this run: how long it took, and how much memory."""
LEFT_OUT = ("digest", "files")
"""Parts of a manifest that follow from the rest and from the files."""
_ENTRY = re.compile("[0-9a-f]{64}")

STEPS = {
    "classifier": """\
  - finetune: {epochs: 4, learning_rate: 1e-3, freeze_embeddings: false}
  - trim_vocab: {size: 300, most_tokens_rise: 1.0, most_unknown_rise: 1.0}
  - distill: {layers: 1, epochs: 2, augment: 1}
  - prune: {heads: 0.25, ffn: 0.25}
""",
    "static": """\
  - finetune: {epochs: 4, learning_rate: 1e-3, freeze_embeddings: false}
  - distill: {student: static, width: 32, epochs: 2, augment: 1}
""",
    "extractive": """\
  - trim_vocab: {size: 300, most_tokens_rise: 1.0, most_unknown_rise: 1.0}
""",
    "seq2seq": """\
  - finetune: {epochs: 1}
  - trim_vocab: {size: 300, most_tokens_rise: 1.0, most_unknown_rise: 1.0}
  - prune: {encoder_layers: 1, method: measured}
  - distill: {decoder_layers: 1, epochs: 1}
""",
    "chat": """\
  - finetune: {epochs: 1, tokens: 2000}
  - prune: {layers: 2, ffn: 0.5, tokens: 1024}
  - distill: {epochs: 1, tokens: 2000, lora: {rank: 4}}
  - trim_vocab: {coverage: 0.97, most_tokens_rise: 1.0}
""",
}
OUTPUTS = {
    "onnx": "  - onnx: {quantize: int8}\n  - onnx: {quantize: int4, embeddings: int4}\n",
    "gguf": "  - gguf: {quantize: q4_k_m}\n  - gguf: {quantize: {bits: 5}}\n",
}


@dataclass(frozen=True)
class Built:
    """What a build left, as digests; the manifests whole, so that a field can be named."""

    inputs: str
    """sha256 of everything that the build read."""
    store: Mapping[str, str]
    """Names of steps by the keys of their finished entries, in the order of their making."""
    files: Mapping[str, str]
    """sha256 by path, of all artifacts and the teacher."""
    manifests: Mapping[str, Any]
    """By path."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(usage="see the first lines of this file")
    parser.add_argument("revision", nargs="?")
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--inputs", type=Path)
    parser.add_argument("--builds", nargs="+", choices=BUILDS)
    settings = parser.parse_args(arguments)
    if sum(map(bool, (settings.revision, settings.baseline, settings.write))) != 1:
        parser.error("give one of REVISION, --baseline FILE and --write FILE")
    if settings.revision:
        with worktree(settings.revision) as tree:
            return compare_trees(tree, settings.tree, settings)
    if settings.baseline:
        return compare_with_kept(settings.baseline, settings.tree, settings)
    return keep(settings.write, settings.tree, settings)


def compare_trees(earlier: Path, tree: Path, settings: argparse.Namespace) -> int:
    """1 where a build differs, else 0."""
    inputs, found = settings.inputs or ROOT / "build" / "same-bytes", []
    for name in settings.builds or BUILDS:
        prepare(inputs, name)
        before, after = build(earlier, inputs, name), build(tree, inputs, name)
        found.append(tell(name, before, after))
    return max(found)


def compare_with_kept(path: Path, tree: Path, settings: argparse.Namespace) -> int:
    """1 where a build differs, else 0."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    inputs = settings.inputs or Path(kept["inputs"])
    names = settings.builds or kept["builds"]
    if strange := [name for name in names if name not in kept["builds"]]:
        raise SystemExit(f"{path} has no {strange[0]}; it has {', '.join(kept['builds'])}")
    return max(
        tell(name, Built(**kept["builds"][name]), build(tree, inputs, name)) for name in names
    )


def keep(path: Path, tree: Path, settings: argparse.Namespace) -> int:
    """Adds to the file what was built, after each build."""
    inputs = (settings.inputs or ROOT / "build" / "same-bytes").absolute()
    kept = {"inputs": str(inputs), "builds": {}}
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
    for name in settings.builds or BUILDS:
        prepare(inputs, name)
        kept["builds"][name] = asdict(build(tree, inputs, name))
        path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{name}: kept in {path}", flush=True)
    return 0


def tell(name: str, before: Built, after: Built) -> int:
    found = difference(before, after)
    same = f"the same {len(after.files)} files, and {len(after.store)} keys of the store"
    print(f"{name}: {found or same}", flush=True)
    return int(found is not None)


def difference(before: Built, after: Built) -> str | None:
    """One line about what differs: work that is not found again, then files, then fields."""
    if before.inputs != after.inputs:
        return "what was built from has changed since; build the baseline again"
    found = []
    lost = [f"{step} {key[:8]}" for key, step in before.store.items() if key not in after.store]
    if lost:
        found.append(
            f"{len(lost)} of the store's {len(before.store)} keys are not found again, first that "
            f"of {lost[0]}"
        )
    # A manifest has the digests of the other files: it differs where one of them does.
    manifests = {*before.manifests, *after.manifests}
    for path in sorted({*before.files, *after.files}, key=lambda path: (path in manifests, path)):
        if path not in after.files or path not in before.files:
            found.append(f"{path} is {'new' if path in after.files else 'gone'}")
            break
        if before.files[path] != after.files[path]:
            found.append(f"{path} differs")
            break
    for path in sorted({*before.manifests} & {*after.manifests}):
        field = first_field(before.manifests[path], after.manifests[path], leave_out=LEFT_OUT)
        if field is not None:
            found.append(f"{path}: {field}")
            break
    return "; ".join(found) or None


def first_field(before: Any, after: Any, *, leave_out: Sequence[str] = ()) -> str | None:
    """`steps[1].after.layers was 2 and is 3`; None where both are equal."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in sorted({*before, *after}) if key not in leave_out]
        parts = [(f".{key}", before.get(key), after.get(key)) for key in keys]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        parts = [(f"[{n}]", *both) for n, both in enumerate(zip(before, after, strict=True))]
    elif before == after:
        return None
    else:
        return f" was {before!r:.60} and is {after!r:.60}"
    for name, *both in parts:
        if (found := first_field(*both)) is not None:
            return (name + found).removeprefix("." if leave_out else "")
    return None


def build(tree: Path, inputs: Path, name: str) -> Built:
    """What a tree's own `edgekit compress` makes of a recipe, with nothing finished before."""
    recipe = inputs.absolute() / BUILDS[name]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="same-bytes-") as folder:
        cache, out = Path(folder, "cache"), Path(folder, "out")
        command = ["compress", str(recipe), "--out", str(out), "--device", "cpu", "--json"]
        done = run(tree, "-m", "edgekit", *command, cache=cache)
        if done.returncode not in JUDGED:
            raise SystemExit(f"{name}: {tree} could not build it\n{done.stderr[-2000:]}")
        print(f"{name}: {tree}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        return left(out, cache / "store", inputs=sha256_of(recipe.parent))


def left(out: Path, store: Path, *, inputs: str) -> Built:
    """The digests of an output folder and the keys of a store."""
    paths = [path for path in sorted(out.rglob("*")) if path.is_file()]
    files = {path.relative_to(out).as_posix(): path for path in paths}
    seals = [entry / "DONE.json" for entry in store.iterdir() if _ENTRY.fullmatch(entry.name)]
    return Built(
        inputs=inputs,
        store={
            seal.parent.name: json.loads(seal.read_bytes())["facts"]["name"]
            for seal in sorted(seals, key=lambda seal: seal.stat().st_mtime_ns)
        },
        files={name: sha256_of(path) for name, path in files.items() if name not in TIMED},
        manifests={
            name: json.loads(path.read_bytes())
            for name, path in files.items()
            if path.name == "manifest.json"
        },
    )


def run(tree: Path, *arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """A program of the tree's own package; threads are the same ones everywhere."""
    tree = tree.absolute()
    environment = {
        **os.environ,
        "EDGEKIT_CACHE": str(cache),
        "GOMP_SPINCOUNT": "1000",
        "OMP_NUM_THREADS": "2",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'tui'}",
    }
    found = subprocess.run(
        [sys.executable, "-P", "-c", "import edgekit; print(edgekit.__file__)"],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    if not Path(found).is_relative_to(tree):
        raise SystemExit(f"{tree} has no package edgekit: Python finds {found}")
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def sha256_of(path: Path) -> str:
    """Of a file, or of a folder's names and files."""
    if path.is_file():
        with path.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    whole = sha256()
    for inner in sorted(path.rglob("*")):
        if inner.is_file():
            whole.update(f"{inner.relative_to(path).as_posix()}\0{sha256_of(inner)}\n".encode())
    return whole.hexdigest()


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """A revision's files in a folder of their own, for as long as they are needed."""
    with tempfile.TemporaryDirectory(prefix="same-bytes-") as folder:
        tree = Path(folder, "tree")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def prepare(inputs: Path, name: str) -> None:
    """Makes the project of a build, unless it is there."""
    project = Path(BUILDS[name]).parts[0]
    if (inputs / project).is_dir():
        return
    inputs.mkdir(parents=True, exist_ok=True)
    partial = inputs / f"{project}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    if project == "home-intents":
        cache = Path(os.environ.get("EDGEKIT_CACHE", inputs / "cache"))
        fetched = run(ROOT, "-m", "edgekit", "sample", project, str(partial), cache=cache)
        if fetched.returncode != 0:
            raise SystemExit(f"{project}: {fetched.stderr[-2000:]}")
    else:
        make_tiny(partial, project)
    partial.rename(inputs / project)


def make_tiny(folder: Path, project: str) -> None:
    """A tiny checkpoint, its data and the recipes of BUILDS for them."""
    # torch: only where something is to be made.
    from tests.tiny import chat, encoder, extractive, llama, seq2seq

    match project:
        case "classifier":
            made = encoder.make_project(folder)
            text = encoder.RECIPE
            made.with_name("static.yaml").write_text(with_steps(text, "static", "onnx"), "utf-8")
        case "extractive":
            made = extractive.make_project(folder)
            text = extractive.RECIPE
        case "seq2seq":
            with tempfile.TemporaryDirectory() as checkpoint:
                trained = seq2seq.make_model(Path(checkpoint))
                made = seq2seq.make_project(folder, trained)
            text = seq2seq.RECIPE
        case "chat":
            made = chat.make_project(folder)
            # llama.cpp's mixes have blocks of 256 weights.
            llama.make_checkpoint(folder / "model", hidden=256, layers=3)
            text = chat.RECIPE
            steps = with_steps(text, "chat", "gguf")
            made.with_name("steps.yaml").write_text(steps, encoding="utf-8")
            made.write_text(with_steps(text, None, "gguf"), encoding="utf-8")
            return
    made.write_text(with_steps(text, project, "onnx"), encoding="utf-8")


def with_steps(recipe: str, steps: str | None, outputs: str) -> str:
    """A tiny recipe with other steps and outputs."""
    head = re.sub(r"^(steps|outputs|seed):.*\n( .*\n)*", "", recipe, flags=re.MULTILINE)
    listed = f"steps:\n{STEPS[steps]}" if steps else ""
    return f"{head}{listed}outputs:\n{OUTPUTS[outputs]}seed: 7\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
