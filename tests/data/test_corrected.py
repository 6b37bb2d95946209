"""Labels that were corrected in the app are found, and counted against what trains already."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.data import corrected
from edgekit.data.rows import Row


def test_what_waits_is_what_no_row_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path))
    assert corrected.every() == []
    assert corrected.of("intents") is None
    path = corrected.path_of("intents")
    path.parent.mkdir()
    path.write_text("text,label\na,heat\nb,light\n")
    (found,) = corrected.every()
    assert (found.name, found.path) == ("intents", path)
    assert found.besides([]) == 2
    assert found.besides([Row("a", "heat"), Row("b", "heat")]) == 1
