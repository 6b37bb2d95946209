"""Writes the table of decoders in model.md from the one that edgekit itself goes by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgekit.checkpoint.decoders import CONVERTED, DECODERS, Architecture

PAGE = Path(__file__).parent / "model.md"
BEGIN, END = "<!-- decoders: made by docs/decoders.py -->\n", "<!-- decoders end -->\n"


def table() -> str:
    """Everything between the two marks."""
    return "\n".join(_rows()) + "\n"


def page(text: str) -> str:
    """The whole page with the table anew."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


def _rows() -> Iterator[str]:
    yield "| models | `model_type` | in GGUF | trim_vocab, finetune, distill | prune | refused |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for kind, one in sorted(DECODERS.items(), key=lambda pair: pair[1].title.lower()):
        cells = (one.title, f"`{kind}`", f"`{one.gguf}`", "yes", _prune(one), _refused(one))
        yield f"| {' | '.join(cells)} |"
    yield from _converted()


def _converted() -> Iterator[str]:
    for kind, title in sorted(CONVERTED.items(), key=lambda pair: pair[1].lower()):
        cells = (title, f"`{kind}`", "by llama.cpp's converter", "no", "no", "")
        yield f"| {' | '.join(cells)} |"


def _prune(one: Architecture) -> str:
    if one.unrotated_every:
        return (
            f"neurons; layers by {one.unrotated_every}, since every {one.unrotated_every}th differs"
        )
    if one.windowed_at:
        return f"neurons; layers but not of {one.windowed_at}, which alone have windows"
    return "neurons, layers"


def _refused(one: Architecture) -> str:
    found = [f"`{key}` other than `{str(value).lower()}`" for key, value in one.only.items()]
    if one.square_heads:
        found.append("heads that do not make up the hidden size")
    if not one.may_be_untied:
        found.append("an output matrix of its own")
    return "; ".join([*found, f"RoPE other than {', '.join(sorted(one.ropes))}"])


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
