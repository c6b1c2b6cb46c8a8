"""The first signal of a web process finds everything loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRST_SIGNALS = """
import json, sys, tempfile
from pathlib import Path
import django
django.setup()
from strategies.library.registry import families
from strategies.preload import preload
from tests.markets import gaussian_bars
from trainingday.backtest.warm import small_market
from trainingday.markets.storage import read_bars, write_bars
PRELOAD
before = set(sys.modules)
with tempfile.TemporaryDirectory() as folder:
    bars = read_bars(Path(folder, write_bars(Path(folder), gaussian_bars(2000, 1))[1]))
for family in families().values():
    family.positions(bars, {})
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def modules_loaded_late(code: str) -> list[str]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    late: list[str] = json.loads(done.stdout)
    return late


def test_a_first_signal_loads_nothing_more():
    assert modules_loaded_late(FIRST_SIGNALS.replace("PRELOAD", "preload()")) == []


def test_without_it_the_first_signal_loads_libraries():
    assert "pandas" in modules_loaded_late(FIRST_SIGNALS.replace("PRELOAD", ""))
