"""Mutated files: the importer answers bars or a refusal, never another error, and stays small."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from tests.trainingday.markets.importers import cases
from trainingday.exceptions import ImportRefused, InvalidArgument
from trainingday.markets.importers.options import Expected, ImportLimits, ImportOptions
from trainingday.markets.importers.profile import layout_of
from trainingday.markets.importers.reader import preview, read_file

LIMITS = ImportLimits(max_bytes=2_000_000, max_rows=20_000, max_cells=200_000)
SNIPPETS = [
    b"", b",", b";", b"\t", b"\n", b"\r", b'"', b"'", b"\x00", b"\xff", b"\xef\xbb\xbf", b"NaN", b"inf", b"-", b"1e309",
    b"1e-309", b"99999999999999999999999", b"0", b"-1", b"=1+1", b"2024-02-30", b"9999-12-31T23:59:59-14:00",
    b"0000-00-00", b"1970-01-01T00:00:00Z", b"12/31/2024", b"now", b"null", b"{", b"[", b"]", b"}", b":", b"1" * 400,
    "１２".encode(), "é".encode(), b"\xed\xa0\x80", b"AM", b"20240101", b"24:00", b"PAR1", b"ARROW1", b"PK\x03\x04",
    b"\x1f\x8b", b"timestamp,open,high,low,close,volume", b"-0.0", b"1,000.5", b"1e5", b"+1", b"0x1", b"#", b"//",
]  # fmt: skip
OPTIONS = [
    ImportOptions(),
    ImportOptions(quarantine=True),
    ImportOptions(keep="last", stamp="close"),
    ImportOptions(zone="America/New_York", day_first=True),
    ImportOptions(volume_unit="quote", prices="adjusted"),
    ImportOptions(columns={"1": "time", "open": "close"}),
    ImportOptions(decimal=",", has_header=True),
    ImportOptions(decimal=".", time_unit="ms", has_header=False),
    ImportOptions(expected=Expected("saved", layout_of(read_file(cases.valid().data, "a.csv").detected))),
]


def seeds() -> list[tuple[bytes, str]]:
    valid = cases.valid().data
    json_rows = cases.BUILDERS["JSON array of [ms,o,h,l,c,v]"]().data
    texts = [
        valid,
        cases.text(cases.rows(), header=None),
        cases.swapped_volumes().data,
        cases.day_first(10).data,
        cases.mixed_epochs().data,
        cases.BUILDERS["decimal comma"]().data,
        cases.BUILDERS["thousand sep quoted"]().data,
        b",BTC:open,BTC:high,BTC:low,BTC:close,BTC:volume\n2024-01-01,1,2,1,2,5\n2024-01-02,,,,,\n2024-01-03,2,3,1,2,4\n",
    ]
    return [
        *((text, "a.csv") for text in texts),
        (json_rows, "a.json"),
        (cases.parquet(cases.table()), "a.parquet"),
        (cases.feather(cases.table()), "a.feather"),
        (gzip.compress(valid), "a.csv.gz"),
        (cases.archive(bars_csv=valid), "a.zip"),
    ]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Return the file with cells replaced, or one to six pieces changed, moved, doubled or lost."""
    if b"PAR1" not in data and b"ARROW1" not in data and chance.random() < 0.6:
        return mutate_cells(data, chance)
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(changed) + 1)
        kind = chance.randrange(6)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] = chance.randrange(256)
        elif kind == 1:
            changed[at:at] = chance.choice(SNIPPETS)
        elif kind == 2:
            del changed[at : at + chance.randint(1, 40)]
        elif kind == 3:
            end = at + chance.randint(1, 12)
            changed[at:end] = chance.choice(SNIPPETS)
        elif kind == 4:
            piece = changed[at : at + chance.randint(1, 80)]
            changed[at:at] = piece * chance.randint(1, 3)
        else:
            cells = bytes(changed).split(b"\n")
            chance.shuffle(cells)
            changed = bytearray(b"\n".join(cells))
    return bytes(changed)


def mutate_cells(data: bytes, chance: random.Random) -> bytes:
    """Return the text with one to four whole cells replaced, or a row moved: the table stays a table."""
    lines = data.split(b"\n")
    delimiter = next((mark for mark in (b";", b"\t") if mark in lines[0]), b",")
    for _ in range(chance.randint(1, 4)):
        row = chance.randrange(len(lines))
        cells = lines[row].split(delimiter)
        if chance.random() < 0.2:
            lines.insert(chance.randrange(len(lines)), lines[row])
        else:
            cells[chance.randrange(len(cells))] = chance.choice([*SNIPPETS, *cells])
            lines[row] = delimiter.join(cells)
    return b"\n".join(lines)


def fuzz(n_files: int, seed: int) -> dict[str, int]:
    """Return how often each outcome came up; any other exception escapes."""
    chance = random.Random(seed)
    files = seeds()
    outcomes: dict[str, int] = {}
    for _ in range(n_files):
        data, name = chance.choice(files)
        changed = mutate(data, chance)
        try:
            if chance.random() < 0.1:
                preview(changed, name, chance.choice(OPTIONS), LIMITS)
            imported = read_file(changed, name, chance.choice(OPTIONS), LIMITS)
            imported.bars._check()
            outcome = "imported"
        except ImportRefused as refusal:
            assert refusal.status in {400, 413, 415, 422}
            assert refusal.code
            assert "\n" not in str(refusal)
            outcome = refusal.code
        except InvalidArgument as error:
            assert "zone" in str(error)
            outcome = "invalid_argument"
        except Exception as error:
            error.add_note(f"file {name}: {changed[:3000]!r}")
            raise
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


def test_mutated_files_are_imported_or_refused():
    outcomes = fuzz(1_000, seed=13)
    assert outcomes["imported"] > 20
    assert len(outcomes) > 15


def peak_mib() -> float:
    """Return this process's largest resident memory so far, without its parent's, which ru_maxrss inherits."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


@pytest.mark.slow
def test_many_mutated_files_stay_within_memory():
    """The full size of 300,000 files is run by bench/bench_import_fuzz.py."""
    before = peak_mib()
    fuzz(6_000, seed=12)
    assert peak_mib() - before < 300
