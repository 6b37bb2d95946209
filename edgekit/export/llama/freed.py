"""Makes freed memory go back to the system at once. For processes that hold one tensor at a time.

glibc raises the size from which blocks are the system's own with every such block that is freed, up
to 32 MB; smaller ones then stay in its heap, in pieces: 600 MB of them for a model whose largest
matrix has 67 (mallopt(3), M_MMAP_THRESHOLD, which is fixed once it is set).
"""

from __future__ import annotations

import ctypes
import sys

LEAST_BYTES = 1 << 20
_M_MMAP_THRESHOLD = -3


def give_back() -> None:
    """From here on; does nothing where the C library is not glibc."""
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_MMAP_THRESHOLD, LEAST_BYTES)
