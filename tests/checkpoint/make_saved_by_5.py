"""Writes saved_by_5.json; to be run where transformers 5 is installed, which the tests never are.

PYTHONPATH=… python -m tests.checkpoint.make_saved_by_5
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import transformers

from tests.tiny import filled


def main() -> None:
    assert transformers.__version__.startswith("5."), transformers.__version__
    found = {}
    for case in filled.CASES:
        with tempfile.TemporaryDirectory() as folder:
            model = filled.make(case)
            model.save_pretrained(folder)
            told = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
            attention = "eager" if case == "gemma2" else None
            loaded = type(model).from_pretrained(folder, attn_implementation=attention)
            answer = [round(one, 5) for one in filled.answer(loaded.eval())]
        found[case] = {"config": told, "answer": answer}
        print(case, answer[:3])
    path = Path(__file__).with_name("saved_by_5.json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
