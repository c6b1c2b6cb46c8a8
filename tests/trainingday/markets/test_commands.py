from io import StringIO

import pytest
from django.core.management import call_command

from tests.trainingday.markets.importers import cases
from trainingday.markets.models import Dataset, Market

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def datasets(settings, tmp_path):
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"


def run(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_bytes(cases.valid().data)
    return path


def test_load_says_what_was_detected_and_stores_the_dataset(file):
    code, out, _ = run("load", str(file), "--symbol", "BTC/USD", "--venue", "Test")
    assert code == 0
    assert "BTCUSD-1h: loaded, version 1, 6 bars" in out
    assert "time = timestamp" in out
    assert "101.5" in out
    assert "already imported" in run("load", str(file), "--symbol", "BTC/USD", "--venue", "Test")[1]
    assert Dataset.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        (b"name,age\nAda,36\n", (), "no column for open"),
        (cases.cell("$102")().data, (), "row 2: close should be a plain number"),
        (cases.valid().data, ("--interval", "1d"), "should be 1d apart"),
        (cases.valid().data, ("--column", "nope=close"), "no column 'nope'"),
        (cases.valid().data, ("--column", "close=nope"), "should be one of"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, content, arguments, sentence):
    path = tmp_path / "bars.csv"
    path.write_bytes(content)
    code, _, err = run("load", str(path), "--symbol", "X", *arguments)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1
    assert not Market.objects.exists()


def test_a_missing_file_is_one_sentence_and_exit_code_2():
    code, _, err = run("load", "nowhere.csv", "--symbol", "X")
    assert (code, err.strip()) == (2, "nowhere.csv cannot be read: No such file or directory")


def test_a_preview_stores_nothing(file):
    code, out, _ = run("load", str(file), "--symbol", "X", "--preview")
    assert code == 0
    assert "First rows of bars.csv" in out
    assert not Market.objects.exists()


def test_options_reach_the_importer(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_bytes(cases.duplicate().data)
    assert run("load", str(path), "--symbol", "X")[0] == 2
    assert "duplicates_resolved" in run("load", str(path), "--symbol", "X", "--keep", "last")[1]


def test_load_offline_loads_the_two_index_markets():
    assert "SP500-1d: loaded, 5,031 bars, 1999-01-04 to 2018-12-31" in run("load_offline")[1]
    assert "NASDAQ-1d: already there" in run("load_offline")[1]
