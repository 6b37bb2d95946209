"""Makes freed memory go back to the system at once. For work on large tensors of many sizes.

glibc raises its mmap threshold, up to 32 MB, with every mapped block that is freed; smaller blocks
then stay in its heap, fragmented: 600 MB for a model whose largest matrix has 67
(mallopt(3), M_MMAP_THRESHOLD; setting it turns this off).
"""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3


def give_back(*, least_bytes: int) -> None:
    """From now on, every block of at least this size; does nothing if the C library is not glibc.

    Each such block pays for its page faults anew: a smaller size takes less memory and more time.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_MMAP_THRESHOLD, least_bytes)
