"""Run every benchmark: `python -m bench` (or `make bench`); names given as arguments run alone.

Each `bench_*.py` prints its own rows and runs in a process of its own, so that one cannot slow or skew
another. A benchmark that fails is named at the end and the exit status is 1.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    asked = sys.argv[1:]
    names = sorted(path.stem for path in FOLDER.glob("bench_*.py"))
    unknown = [name for name in asked if name not in names]
    if unknown:
        print(f"benchmark should be one of {names}, is {unknown[0]!r}")
        return 2
    failed = []
    for name in asked or names:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=FOLDER.parent, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
