import time
from dataclasses import replace

import numpy as np
import pytest

from tests.markets import gaussian_bars
from trainingday.exceptions import ArtifactRejected
from trainingday.markets import storage
from trainingday.markets.storage import fingerprint, read_bars, verify, write_bars

# sha256 of b"trainingday-bars-1", the length as <Q, and the columns by struct.pack, computed apart
KNOWN = "ae4f2789633a2e6b045eef3040d1f42b5510f24062a89880bc92308c0308479a"
COLUMNS = ("timestamps", "open", "high", "low", "close", "volume", "gap_before")


def test_bars_come_back_bit_for_bit(tmp_path):
    bars = gaussian_bars(1000, seed=1)
    bars = replace(bars, gap_before=np.arange(1000) % 7 == 3)
    sha256, name = write_bars(tmp_path, bars)
    back = read_bars(tmp_path / name)
    for column in COLUMNS:
        assert np.array_equal(getattr(back, column), getattr(bars, column))
        assert getattr(back, column).dtype == getattr(bars, column).dtype
    verify(tmp_path / name, sha256)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_fingerprint_changes_with_every_column(column):
    bars = gaussian_bars(100, seed=1)
    changed = getattr(bars, column).copy()
    changed[50] = ~changed[50] if column == "gap_before" else changed[50] + 1
    assert fingerprint(replace(bars, **{column: changed})) != fingerprint(bars)


def test_the_fingerprint_of_known_bars_stays_the_same():
    # a changed value here means that every stored dataset would be taken for a new one
    stamps = np.array([0, 60_000_000], dtype=np.int64)
    ones = np.ones(2)
    bars = storage.Bars(stamps, ones, ones * 2, ones / 2, ones, ones * 0, np.zeros(2, dtype=bool))
    assert fingerprint(bars) == KNOWN


def test_a_second_write_of_equal_bars_leaves_one_file(tmp_path):
    bars = gaussian_bars(100, seed=1)
    assert write_bars(tmp_path, bars) == write_bars(tmp_path, bars)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def no_space(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.pq, "write_table", no_space)
    with pytest.raises(OSError, match="No space"):
        write_bars(tmp_path, gaussian_bars(100, seed=1))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_damaged_or_missing_file_is_rejected(tmp_path):
    _, name = write_bars(tmp_path, gaussian_bars(100, seed=1))
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ArtifactRejected):
        read_bars(path)
    with pytest.raises(ArtifactRejected):
        read_bars(tmp_path / "none.parquet")


def test_a_file_with_other_bars_fails_verification(tmp_path):
    sha256, _ = write_bars(tmp_path, gaussian_bars(100, seed=1))
    _, other = write_bars(tmp_path, gaussian_bars(100, seed=2))
    with pytest.raises(ArtifactRejected, match="fingerprint"):
        verify(tmp_path / other, sha256)


@pytest.mark.slow
@pytest.mark.load
def test_opening_a_million_bars_takes_50_milliseconds(tmp_path):
    _, name = write_bars(tmp_path, gaussian_bars(1_000_000, seed=1))
    read_bars(tmp_path / name)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        read_bars(tmp_path / name)
        times.append(time.perf_counter() - start)
    assert min(times) <= 0.05
