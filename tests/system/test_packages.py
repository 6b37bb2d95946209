from __future__ import annotations

from importlib import metadata

import pytest

from edgekit.system import packages


def test_a_build_for_gpus_stands_for_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packages.version("onnxruntime") == metadata.version("onnxruntime")
    assert packages.version("no-such-package") is None

    def only_gpu(name: str) -> str:
        if name == "onnxruntime-gpu":
            return "1.31.1"
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", only_gpu)
    assert packages.version("onnxruntime") == "1.31.1"
    assert packages.version("torch") is None
