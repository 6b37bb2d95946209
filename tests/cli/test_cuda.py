"""What is missing for CUDA, on machines made for the test: programs and folders that stand in."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.cli import cuda
from edgekit.cli.cuda import Found
from edgekit.errors import EdgekitError

WHOLE = Found(
    driver="580.65.06",
    capabilities=("7.5", "8.6", "8.6"),
    toolkit="13.0",
    cublas="/cuda/lib64/libcublas.so.13",
    cublas_headers="/cuda/include",
    torch="13.0",
    onnxruntime="1.31.1",
    llama=True,
)


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing but what the test puts into its bin, cuda and site folders."""
    for name in ("bin", "cuda", "site"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    monkeypatch.setattr(cuda, "PLACES", ())
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    return tmp_path


def add(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


def test_a_machine_with_everything(machine: Path) -> None:
    program(machine / "bin", "nvidia-smi", "echo '580.65.06, 7.5'; echo '580.65.06, 8.6'")
    program(machine / "bin", "nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.88'")
    library = add(machine / "cuda" / "lib64" / "libcublas.so.13")
    headers = add(machine / "cuda" / "include" / "cublas_v2.h")
    torch = machine / "site" / "torch" / "version.py"
    add(torch)
    torch.write_text("__version__ = '2.13.0'\ncuda: Optional[str] = '13.0'\n")
    found = cuda.look()
    assert (found.driver, found.capabilities) == ("580.65.06", ("7.5", "8.6"))
    assert (found.toolkit, found.torch) == ("13.0", "13.0")
    assert (found.cublas, found.cublas_headers) == (library, str(Path(headers).parent))


def test_a_machine_with_nothing(machine: Path) -> None:
    assert cuda.look() == Found(
        driver=None,
        capabilities=(),
        toolkit=None,
        cublas=None,
        cublas_headers=None,
        torch=None,
        onnxruntime=None,
        llama=False,
    )


def test_a_driver_that_fails_is_none(machine: Path) -> None:
    program(machine / "bin", "nvidia-smi", "echo 'NVIDIA-SMI has failed, a, b'; exit 9")
    assert cuda.look().driver is None


def test_torch_without_cuda_is_known_without_importing_it(machine: Path) -> None:
    version = machine / "site" / "torch" / "version.py"
    add(version)
    version.write_text("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n")
    assert cuda.look().torch is None


def test_cublas_is_taken_from_its_package_where_it_is_the_compilers_version(
    machine: Path,
) -> None:
    packages = machine / "site" / "nvidia"
    old = add(packages / "cublas" / "lib" / "libcublas.so.12")
    add(packages / "cublas" / "include" / "cublas_v2.h")
    program(machine / "bin", "nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.88'")
    assert cuda.look().cublas is None
    new = add(packages / "cu13" / "lib" / "libcublas.so.13")
    add(packages / "cu13" / "include" / "cublas_v2.h")
    found = cuda.look()
    assert (found.cublas, found.cublas_headers) == (new, str(packages / "cu13" / "include"))
    program(machine / "bin", "nvcc", "echo 'Cuda compilation tools, release 12.4, V12.4.1'")
    assert cuda.look().cublas == old


@pytest.mark.parametrize(
    ("found", "what", "command"),
    [
        (replace(WHOLE, driver=None, torch=None), "no NVIDIA driver", "install nvidia-driver"),
        (replace(WHOLE, torch=None), "torch is built without CUDA", "pip install torch==="),
        (replace(WHOLE, onnxruntime=None), "onnxruntime", "'onnxruntime-gpu[cuda,cudnn]"),
        (replace(WHOLE, toolkit=None), "nvcc", "apt-get install nvidia-cuda-toolkit"),
        (replace(WHOLE, toolkit="11.8"), "nvcc 11.8 is older than 12.0", "newer CUDA toolkit"),
        (replace(WHOLE, cublas=None), "cuBLAS", "pip install nvidia-cublas"),
        (replace(WHOLE, cublas=None, toolkit="12.4"), "cuBLAS", "install nvidia-cublas-cu12"),
        (replace(WHOLE, cublas_headers=None), "cuBLAS", "pip install nvidia-cublas"),
        (replace(WHOLE, llama=False), "llama-cpp-python is not built with CUDA", "make cuda"),
    ],
)
def test_what_is_missing_comes_with_its_command(found: Found, what: str, command: str) -> None:
    (lack,) = cuda.missing(found)
    assert lack.what.startswith(what)
    assert command in lack.command
    assert found.as_json()["missing"] == [{"what": lack.what, "command": lack.command}]


def test_nothing_is_missing() -> None:
    assert cuda.missing(WHOLE) == []


def test_llama_is_built_for_the_gpus_found_or_those_asked_for() -> None:
    arguments = cuda.cmake_arguments(WHOLE)
    assert arguments == [
        "-DGGML_CUDA=on",
        "-DCMAKE_CUDA_ARCHITECTURES=75;86",
        "-DCUDA_cublas_LIBRARY=/cuda/lib64/libcublas.so.13",
        "-DCMAKE_CUDA_FLAGS=-I/cuda/include",
        "-DCMAKE_SHARED_LINKER_FLAGS=-Wl,-rpath,/cuda/lib64",
    ]
    without = replace(WHOLE, driver=None, capabilities=())
    arguments = cuda.cmake_arguments(without, architectures=["90a"])
    assert arguments[1] == "-DCMAKE_CUDA_ARCHITECTURES=90a"
    assert arguments[-1] == "-DGGML_CUDA_NO_VMM=ON"


@pytest.mark.parametrize(
    ("found", "architectures", "says"),
    [
        (replace(WHOLE, toolkit=None), [], "nvcc, the CUDA compiler, is not installed"),
        (replace(WHOLE, cublas=None), [], "pip install nvidia-cublas"),
        (replace(WHOLE, capabilities=()), [], r"make cuda CUDA_ARCHITECTURES='75;86'"),
        (WHOLE, ["8.6"], r"'8\.6' is no architecture; write 86"),
        (replace(WHOLE, cublas="/my cuda/libcublas.so"), [], "has a space"),
    ],
)
def test_llama_cannot_be_built(found: Found, architectures: list[str], says: str) -> None:
    with pytest.raises(EdgekitError, match=says):
        cuda.cmake_arguments(found, architectures=architectures)


def test_make_reads_the_arguments_from_one_line(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cuda.main([""]) == 1
    assert "nvcc" in capsys.readouterr().err
    program(machine / "bin", "nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.88'")
    add(machine / "cuda" / "lib64" / "libcublas.so")
    add(machine / "cuda" / "include" / "cublas_v2.h")
    assert cuda.main(["75;86"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("-DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=75;86 -D")
