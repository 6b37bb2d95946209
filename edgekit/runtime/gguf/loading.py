"""How llama.cpp is asked to load a model's weights. Loads none."""

from __future__ import annotations

from typing import Any

import llama_cpp

_AMX = b"AMX_INT8 = 1"


def settings() -> Any:
    """llama.cpp's own settings, without its kernels for AMX."""
    found = llama_cpp.llama_model_default_params()
    found.use_extra_bufts = _extra_kernels(llama_cpp.llama_print_system_info())
    return found


def _extra_kernels(info: bytes) -> bool:
    """Whether weights may be laid out anew for faster kernels of the CPU.

    Compiled by some versions of GCC, those for AMX configure the tiles with bytes that were never
    written, and the process ends at the first prompt of two tokens (llama.cpp#20824). llama.cpp can
    leave them out only together with its other kernels of this kind.
    """
    return _AMX not in info
