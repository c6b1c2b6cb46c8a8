"""Measure pattern words + forward returns against NumPy windows, a whole scan, and its memory.

Run: python -m bench.bench_patterns [--rounds 7] [--scan 1000000]

Same work, one thread, CPU time, rounds of both in turn, medians and the best: the word of every 50-bar window
(5 segments, 3 letters) and the log return of 10 bars from the next open.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from patterns.discovery.confirm import confirm
from patterns.discovery.features import Features
from patterns.discovery.mining import mine
from patterns.discovery.options import Segments
from patterns.discovery.outcomes import forward_log_returns
from patterns.discovery.pattern import Shape
from patterns.discovery.words import breakpoints, compute_words
from trainingday.bars import Bars
from trainingday.synthetic import planted_words_market, synthetic_bars
from trainingday.typing import FloatArray, IntArray

HORIZON = 10
CHUNK = 4096  # windows at a time: the fastest of 1,024 .. 65,536 for NumPy here


def numpy_words(bars: Bars) -> tuple[IntArray, FloatArray]:
    """Return words and forward returns by sliding_window_view, as a careful NumPy user would."""
    n_bars = len(bars)
    words = np.full(n_bars, -1, dtype=np.int16)
    low, high = breakpoints(3)
    powers = 3 ** np.arange(4, -1, -1)
    windows = sliding_window_view(bars.close, 50)
    for start in range(0, windows.shape[0], CHUNK):
        part = windows[start : start + CHUNK]
        means = part.reshape(-1, 5, 10).mean(axis=2)
        centre = means.mean(axis=1, keepdims=True)
        deviation = part.std(axis=1)[:, None]
        height = means - centre
        letters = (height > low * deviation).astype(np.int16) + (height > high * deviation)
        words[49 + start : 49 + start + part.shape[0]] = letters @ powers
    forward = np.full(n_bars, np.nan)
    log_open = np.log(bars.open)
    forward[: n_bars - HORIZON - 1] = log_open[1 + HORIZON :] - log_open[1:-HORIZON]
    return words, forward


def product_words(bars: Bars) -> tuple[IntArray, FloatArray]:
    return compute_words(bars, Shape()), forward_log_returns(bars, HORIZON)


def cpu_seconds(work: Callable[[], object], repeats: int = 1) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scan", type=int, default=1_000_000)
    arguments = parser.parse_args()
    for n_bars in (10_000, 100_000, 1_000_000):
        _compare(synthetic_bars("N1", n_bars, 0), arguments.rounds)
    bars = _repeated(10_000_000)
    times = [cpu_seconds(lambda: product_words(bars)) for _ in range(arguments.rounds)]
    print(f"10,000,000 bars: {10 / statistics.median(times):.1f} M/s")
    _scan(arguments.scan)


def _compare(bars: Bars, rounds: int) -> None:
    n_bars = len(bars)
    same = np.mean(numpy_words(bars)[0] == product_words(bars)[0])
    peers, ours = [], []
    for _ in range(rounds):
        peers.append(cpu_seconds(lambda: numpy_words(bars)))
        ours.append(cpu_seconds(lambda: product_words(bars), max(1, 1_000_000 // n_bars)))
    ratio = statistics.median(peer / own for peer, own in zip(peers, ours, strict=True))
    print(
        f"{n_bars:,} bars: NumPy {n_bars / statistics.median(peers) / 1e6:.2f} M/s, "
        f"here {n_bars / statistics.median(ours) / 1e6:.1f} M/s (best {n_bars / min(ours) / 1e6:.1f}), "
        f"ratio {ratio:.1f}, words equal {same:.6f}"
    )


def _repeated(n_bars: int) -> Bars:
    """Return bars too many to generate slowly: noise with no volume."""
    close = 100 * np.exp(np.cumsum(0.0005 * np.random.default_rng(1).standard_normal(n_bars)))
    return Bars(np.arange(n_bars), close, close, close, close, np.ones(n_bars), np.zeros(n_bars, dtype=bool))


def _scan(n_bars: int) -> None:
    for title, bars in (
        ("noise", synthetic_bars("N3", n_bars, 0)),
        ("planted", planted_words_market(n_bars, 0).bars),
    ):
        before, start = peak_mb(), time.process_time()
        features = Features(bars)
        cut = int(0.8 * n_bars)
        result = mine(bars, Segments(slice(0, cut)), features=features)
        mined = time.process_time() - start
        verdicts = confirm(result.found, bars, slice(cut + 60, n_bars), features=features)
        total = time.process_time() - start
        print(
            f"scan of {n_bars:,} bars, {title}: mined in {mined:.2f} CPU s, with confirmation {total:.2f} CPU s, "
            f"{result.candidates_tested:,} tested, {len(result.found)} found, "
            f"{sum(each.is_confirmed for each in verdicts)} confirmed; bars hold {57 * n_bars / 2**20:.0f} MB, "
            f"peak memory grew {peak_mb() - before:.0f} MB"
        )


if __name__ == "__main__":
    main()
