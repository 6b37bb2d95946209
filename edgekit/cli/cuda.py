"""What CUDA needs, how much of it this machine has, and how to get the rest. Imports no torch.

python -m edgekit.cli.cuda [75;86]    prints the CMake arguments for llama.cpp's CUDA build
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError
from edgekit.system.packages import version

PLACES = ("/usr/local/cuda", "/usr/local/cuda-*", "/opt/cuda", "/usr")
LIBRARIES = ("lib64", "lib", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu")
LEAST_TOOLKIT = (12, 0)


@dataclass(frozen=True, slots=True)
class Found:
    """The parts of CUDA on this machine; None where one is missing."""

    driver: str | None
    """The version of the GPU's driver."""
    capabilities: tuple[str, ...]
    """Compute capability of each GPU, such as 8.6."""
    toolkit: str | None
    """The version of nvcc, the compiler."""
    cublas: str | None
    """The library for matrix products."""
    cublas_headers: str | None
    """The folder of cublas_v2.h."""
    torch: str | None
    """The CUDA version that the installed torch was built with."""
    onnxruntime: str | None
    """The version of onnxruntime-gpu."""
    llama: bool
    """Whether the installed llama-cpp-python was built with CUDA."""

    def as_json(self) -> dict[str, Any]:
        lacks = missing(self)
        return {**asdict(self), "missing": [asdict(one) for one in lacks]}


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that CUDA needs, and how to get it."""

    what: str
    command: str


def look() -> Found:
    """Asks the driver, the compiler and the installed packages."""
    driver, capabilities = _driver()
    toolkit = _toolkit()
    folders = list(_folders())
    # The compiler's own version, or none: headers of one version do not match another's library.
    major = r"\d+" if toolkit is None else toolkit.partition(".")[0]
    cublas = _first(folders, LIBRARIES, rf"libcublas\.so(\.{major}(\.\d+)*)?")
    headers = None
    if cublas is not None:
        own = next(folder for folder in folders if cublas.is_relative_to(folder))
        headers = _first([own], ("include",), r"cublas_v2\.h")
    return Found(
        driver=driver,
        capabilities=capabilities,
        toolkit=toolkit,
        cublas=None if cublas is None else str(cublas),
        cublas_headers=None if headers is None else str(headers.parent),
        torch=_torch_cuda(),
        onnxruntime=version("onnxruntime-gpu"),
        llama=_owns("llama-cpp-python", "ggml-cuda"),
    )


def missing(found: Found) -> list[Missing]:
    """What CUDA still needs here, in the order of installation.

    Without a driver nothing else is of use, so nothing else is named.
    """
    if found.driver is None:
        return [
            Missing(
                "no NVIDIA driver answers (if there is such a GPU)",
                "sudo apt-get install nvidia-driver    # on Ubuntu: sudo ubuntu-drivers install",
            )
        ]
    lacks = []
    if found.torch is None:
        lacks.append(
            Missing("torch is built without CUDA", _pip("torch", f"torch==={_torch_release()}"))
        )
    if found.onnxruntime is None:
        lacks.append(
            Missing(
                "onnxruntime is built without CUDA",
                _pip("onnxruntime", f"'onnxruntime-gpu[cuda,cudnn]{_same('onnxruntime')}'"),
            )
        )
    if found.toolkit is None:
        lacks.append(Missing("nvcc, the CUDA compiler", "sudo apt-get install nvidia-cuda-toolkit"))
    elif _numbers(found.toolkit) < LEAST_TOOLKIT:
        lacks.append(
            Missing(
                f"nvcc {found.toolkit} is older than {'.'.join(map(str, LEAST_TOOLKIT))}",
                "install a newer CUDA toolkit from https://developer.nvidia.com/cuda-downloads",
            )
        )
    if found.cublas is None or found.cublas_headers is None:
        lacks.append(Missing("cuBLAS or its headers", f"pip install {_cublas_package(found)}"))
    if not found.llama:
        lacks.append(Missing("llama-cpp-python is not built with CUDA", "make cuda"))
    return lacks


def cmake_arguments(found: Found, *, architectures: Sequence[str] = ()) -> list[str]:
    """How to configure llama.cpp for the given GPUs, or else for those found here.

    Raises EdgekitError where there is no compiler, no cuBLAS, or nothing to build for.
    """
    if found.toolkit is None:
        raise EdgekitError(
            "nvcc, the CUDA compiler, is not installed: sudo apt-get install nvidia-cuda-toolkit"
        )
    if found.cublas is None or found.cublas_headers is None:
        raise EdgekitError(
            f"cuBLAS or its headers are not installed: pip install {_cublas_package(found)}"
        )
    wanted = list(architectures) or sorted({one.replace(".", "") for one in found.capabilities})
    if not wanted:
        raise EdgekitError(
            "no GPU answers here, so say what to build for: make cuda CUDA_ARCHITECTURES='75;86'"
        )
    for name in wanted:
        if not re.fullmatch(r"\d{2,3}[af]?", name):
            raise EdgekitError(
                f"CUDA_ARCHITECTURES: '{name}' is no architecture; write 86 for compute "
                "capability 8.6, and several as '75;86'."
            )
    arguments = [
        "-DGGML_CUDA=on",
        f"-DCMAKE_CUDA_ARCHITECTURES={';'.join(wanted)}",
        f"-DCUDA_cublas_LIBRARY={found.cublas}",
        f"-DCMAKE_CUDA_FLAGS=-I{found.cublas_headers}",
        # Where llama.cpp looks for the library at run time.
        f"-DCMAKE_SHARED_LINKER_FLAGS=-Wl,-rpath,{Path(found.cublas).parent}",
    ]
    if found.driver is None:
        # Without a driver there is no library to link virtual memory management with.
        arguments.append("-DGGML_CUDA_NO_VMM=ON")
    for argument in arguments:
        if " " in argument:
            raise EdgekitError(f"'{argument}' has a space, which CMAKE_ARGS cannot say; move it.")
    return arguments


def _driver() -> tuple[str | None, tuple[str, ...]]:
    listed = said("nvidia-smi", "--query-gpu=driver_version,compute_cap", "--format=csv,noheader")
    rows = [line.split(",") for line in listed.splitlines() if line.count(",") == 1]
    if not rows:
        return None, ()
    return rows[0][0].strip(), tuple(row[1].strip() for row in rows)


def _toolkit() -> str | None:
    release = re.search(r"release (\d+\.\d+)", said("nvcc", "--version"))
    return release[1] if release else None


def said(*command: str) -> str:
    """The output of a program; empty where it does not exist, fails or hangs."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _folders() -> Iterable[Path]:
    """Where a toolkit may be, likeliest first; PyPI's packages have a folder for each part."""
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if value := os.environ.get(variable):
            yield Path(value)
    for place in PLACES:
        yield from sorted(Path(place).parent.glob(Path(place).name), reverse=True)
    for entry in sys.path:
        if entry:
            yield from sorted(Path(entry).glob("nvidia/cu*"))


def _first(folders: Iterable[Path], parts: Sequence[str], name: str) -> Path | None:
    """The first file with that name (a pattern) in these parts of the folders."""
    for folder in folders:
        for part in parts:
            if (inside := folder / part).is_dir():
                for path in sorted(inside.iterdir()):
                    if re.fullmatch(name, path.name):
                        return path
    return None


def _torch_cuda() -> str | None:
    """Read from torch's version file: importing it would take seconds."""
    for entry in sys.path:
        path = Path(entry, "torch", "version.py")
        if entry and path.is_file():
            built = re.search(r"^cuda[^=]*= *['\"]([\d.]+)['\"]", path.read_text(), re.MULTILINE)
            return built[1] if built else None
    return None


def _torch_release() -> str:
    return (version("torch") or "2.6.0").partition("+")[0]


def _owns(package: str, library: str) -> bool:
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return False
    return any(library in path.name for path in files)


def _same(package: str) -> str:
    found = version(package)
    return f"=={found}" if found else ""


def _cublas_package(found: Found) -> str:
    old = found.toolkit is not None and _numbers(found.toolkit) < (13,)
    return "nvidia-cublas-cu12" if old else "nvidia-cublas"


def _pip(old: str, new: str) -> str:
    return f"pip uninstall -y {old} && pip install {new}"


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release))


def main(words: Sequence[str]) -> int:
    """Prints the CMake arguments in the form of CMAKE_ARGS; returns the exit code."""
    asked = [name for word in words for name in word.replace(",", ";").split(";") if name]
    try:
        arguments = cmake_arguments(look(), architectures=asked)
    except EdgekitError as error:
        print(error, file=sys.stderr)
        return 1
    print(" ".join(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
