"""Makes freed memory go back to the system at once. For work on large tensors of many sizes.

glibc raises the size from which blocks are the system's own with every such block that is freed, up
to 32 MB; smaller ones then stay in its heap, in pieces: 600 MB of them for a model whose largest
matrix has 67 (mallopt(3), M_MMAP_THRESHOLD, which is fixed once it is set).
"""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3


def give_back(*, least_bytes: int) -> None:
    """From here on, every block of this size and more; nothing where the C library is not glibc.

    Each such block costs its page faults again: the smaller, the less memory and the more time.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_MMAP_THRESHOLD, least_bytes)
