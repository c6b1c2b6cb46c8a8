"""Arrays of a backtest's size are had again without page faults."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from trainingday.backtest.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()

def use():
    arrays = [np.ones(100_000) for _ in range(4)]

for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(keep: bool) -> int:
    program = PROGRAM.format(keep=keep)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have other thresholds")
def test_arrays_come_back_without_page_faults() -> None:
    assert _faults(keep=True) < 100 < _faults(keep=False)
