"""The sweeper removes what no row names, and never what a row names or is about to name."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from patterns.models import PatternScan
from strategies.positions import get_or_create_strategy
from strategies.store import artifact_store
from tests.markets import gaussian_bars
from tests.strategies.helpers import save_model
from trainingday.markets.models import Dataset, Market
from trainingday.markets.services import load_bars
from trainingday.markets.storage import write_bars
from trainingday.runs import sweeper

pytestmark = pytest.mark.django_db
TWO_HOURS_AGO = time.time() - 7200


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.TRAININGDAY_ARTIFACTS = tmp_path / "artifacts"
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"
    settings.TRAININGDAY_SCRATCH = tmp_path / "scratch"
    return tmp_path


def age(path: Path) -> Path:
    os.utime(path, (TWO_HOURS_AGO, TWO_HOURS_AGO))
    return path


def test_files_that_rows_name_stay_and_the_others_go(home: Path, market: Market) -> None:
    named, left = save_model((0.0, 1.0, 0.0)), save_model((1.0, 0.0, 0.0))
    get_or_create_strategy(market, "ml_model", {}, named)
    dataset = load_bars(market, gaussian_bars(400, seed=3), "kept").dataset
    _, rowless = write_bars(home / "datasets", gaussian_bars(400, seed=4))
    half = home / "artifacts" / ".tmp-abc"
    half.mkdir()
    partial = home / "datasets" / rowless[:2] / ".partial-x.parquet"
    partial.write_bytes(b"half")
    for path in [*(home / "artifacts").iterdir(), *(home / "datasets").glob("*/*")]:
        age(path)
    removed = {path.name for path in sweeper.sweep()}
    assert removed == {left, ".tmp-abc", Path(rowless).name, ".partial-x.parquet"}
    assert artifact_store().names() == [named]
    assert dataset.path.exists()
    assert not list(home.rglob(".swept-*"))


def test_what_is_younger_than_an_hour_stays(home: Path) -> None:
    name = save_model()
    assert sweeper.sweep() == []
    assert artifact_store().names() == [name]


def test_writing_the_same_again_makes_a_file_young(home: Path) -> None:
    name = save_model()
    age(artifact_store().path(name))
    assert save_model() == name
    _, file = write_bars(home / "datasets", gaussian_bars(400, seed=4))
    age(home / "datasets" / file)
    write_bars(home / "datasets", gaussian_bars(400, seed=4))
    assert sweeper.sweep() == []


@pytest.mark.parametrize("what", ["row stored", "made young"])
def test_what_is_claimed_while_it_is_swept_is_put_back(
    what: str, home: Path, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = save_model()
    folder = age(artifact_store().path(name))
    replace = os.replace

    def claimed_just_before(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        if what == "row stored":
            get_or_create_strategy(market, "ml_model", {}, name)
        else:
            os.utime(folder)
        replace(source, target)

    monkeypatch.setattr(os, "replace", claimed_just_before)
    assert sweeper.sweep() == []
    artifact_store().verify(name)


def test_what_a_killed_sweeper_had_moved_away_is_put_back_if_a_row_names_it(
    home: Path, market: Market
) -> None:
    name = save_model()
    get_or_create_strategy(market, "ml_model", {}, name)
    trash = home / "artifacts" / ".swept-x"
    trash.mkdir()
    artifact_store().path(name).rename(trash / name)
    age(trash)
    sweeper.sweep()
    artifact_store().verify(name)
    assert not trash.exists()


def test_scratch_of_a_running_attempt_stays(home: Path, market: Market) -> None:
    scan = PatternScan.objects.create(
        market=market, dataset=Dataset.objects.get(), seed=1, state="running", fence=2
    )
    mine, stale = home / "scratch" / f"scan-{scan.pk}-2", home / "scratch" / f"scan-{scan.pk}-1"
    for folder in (mine, stale):
        folder.mkdir(parents=True)
        age(folder)
    assert sweeper.sweep(timedelta(hours=1)) == [stale]
    assert mine.exists()
