"""Keep freed arrays with the process, where the next one is had without the kernel clearing its pages."""

from __future__ import annotations

import numpy as np

# Just under 32 MiB, the most to which glibc moves its threshold.
_BYTES = 31 * 2**20


def keep_freed_memory() -> None:
    """Let the allocator keep up to 62 MiB of freed memory instead of returning it after every array.

    Notes
    -----
    glibc takes a large block from the kernel and returns it when it is freed, and with it the end of the
    heap; once such a block is freed, its thresholds move to that size and twice that (mallopt(3), on
    M_MMAP_THRESHOLD). An array of 100,000 bars is 0.8 MB, and having 200 pages cleared for it took longer
    than most indicators. The block is never written to, so it costs nothing; other allocators do not mind.
    """
    np.empty(_BYTES, dtype=np.uint8)
