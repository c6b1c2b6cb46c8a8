from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crashes.scenarios import SCENARIOS, Scenario, tiny_budgets
from tests.trainingday.downloads.conftest import binance
from tests.trainingday.downloads.exchange import FakeBinance

__all__ = ["binance"]


@pytest.fixture
def fresh(
    binance: FakeBinance, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Return a maker of scenarios, each on folders of its own, and all on small budgets."""
    tiny_budgets(monkeypatch)
    numbers = itertools.count()

    def make(name: str) -> Scenario:
        folder = tmp_path / str(next(numbers))
        settings.TRAININGDAY_ARTIFACTS = folder / "artifacts"
        settings.TRAININGDAY_DATASETS = folder / "datasets"
        return SCENARIOS[name]()

    return make
