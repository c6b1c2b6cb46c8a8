"""Mutated market data files: every one is imported or refused with a code, in bounded memory.

`python -m bench.bench_import_fuzz [--files 300000] [--seed 20240601]`; about 5 minutes of one core.
"""

from __future__ import annotations

import argparse
import time

from tests.trainingday.markets.importers.test_fuzz import fuzz, peak_mib


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=20240601)
    chosen = parser.parse_args()
    fuzz(500, chosen.seed + 1)  # first uses load what stays loaded
    before, start = peak_mib(), time.process_time()
    outcomes = fuzz(chosen.files, chosen.seed)
    seconds, peak = time.process_time() - start, peak_mib()
    print(f"{chosen.files:,} files, seed {chosen.seed}: {seconds:,.0f} CPU s, no unhandled exception")
    print(f"peak memory {peak:,.0f} MiB in all, {peak - before:,.0f} MiB more than after the first 500 files")
    for code, count in sorted(outcomes.items(), key=lambda item: -item[1]):
        print(f"  {code:<28}{count:>9,}")


if __name__ == "__main__":
    main()
