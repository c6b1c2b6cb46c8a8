"""Every row of import_cases.csv: the stated status, code and row, through the service that stores."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.trainingday.markets.importers.cases import BUILDERS, MORE_WARNINGS
from trainingday.exceptions import ImportRefused
from trainingday.markets.models import Dataset, Market
from trainingday.markets.services import load_file

SHARED = Path(__file__).resolve().parents[5] / "shared"


def stated_cases() -> dict[str, dict[str, str]]:
    path = SHARED / "cases" / "import_cases.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


STATED = stated_cases()


def test_every_stated_case_has_a_builder_and_every_builder_a_case(shared_dir):
    assert set(stated_cases()) == set(BUILDERS)


@pytest.mark.django_db
@pytest.mark.parametrize("name", BUILDERS)
def test_it_answers_as_stated(name, shared_dir, settings, tmp_path):
    stated = STATED[name]
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"
    case = BUILDERS[name]()
    filename = stated["filename"].replace("\\n", "\n").replace("\\\\", "\\")
    status, row = None, None
    for _ in range(case.uploads):
        try:
            result = load_file(case.data, filename, symbol="TEST", options=case.options, limits=case.limits)
            status, codes = result.status, [finding.code for finding in result.warnings]
            code = result.code
        except ImportRefused as refusal:
            status, code, row = refusal.status, refusal.code, refusal.row
    assert status == int(stated["http_status"]), code
    if status == 201 and name not in MORE_WARNINGS:
        assert codes == ([] if stated["code"] == "ok" else [stated["code"]])
    elif status == 201:
        assert stated["code"] in codes
    else:
        assert code == stated["code"]
        assert row == (int(stated["row"]) if stated["row"] else None)
    if status >= 400:
        assert not Market.objects.exists()
        assert not Dataset.objects.exists()
        assert not list(tmp_path.rglob("*.parquet"))
