from pathlib import Path

import pytest
from django.core.management import call_command

from strategies.backtests import backtest_strategy
from tests.strategies.helpers import null_market

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def run(*parameters: str, **options: str) -> None:
    call_command("backtest", *parameters, **{"strategy": "momentum", **options})


def test_it_prints_every_metric_by_segment_and_writes_the_report(capsys, tmp_path):
    market, _, _ = null_market()
    run("lookback=20", "threshold=0.01", market=market.slug, fee="0.002", output="report.html")
    printed = capsys.readouterr().out
    report = backtest_strategy(market, "momentum", {"lookback": 20, "threshold": 0.01}, fee=0.002)
    train, validation = (part.metrics["total_return"] * 100 for part in report.segments)
    for value in (train, validation):
        assert f"{value:.1f}".replace("-", "−") in printed
    assert "train, " in printed and "validation, " in printed and "sealed" in printed
    assert max(len(line) for line in printed.splitlines()) <= max(80, len(str(tmp_path)) + 40)
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "Plotly" in html and "momentum lookback=20 threshold=0.01" in html
    assert "http" not in html.split("<script>")[0]


def test_the_report_has_a_name_of_its_own_by_default():
    market, _, _ = null_market()
    run(market=market.slug, segment="train")
    assert [path.name for path in Path().iterdir()] == [f"backtest-{market.slug}-momentum.html"]


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ([], {"market": "NOWHERE-1h"}),
        ([], {"strategy": "nope"}),
        (["window=20"], {}),
        (["lookback=0"], {}),
        (["lookback=5000"], {}),
        (["lookback=2.5"], {}),
        (["lookback=many"], {}),
        (["lookback"], {}),
        (["=3"], {}),
        (["lookback=3", "lookback=4"], {}),
        ([], {"fee": "1.5"}),
        ([], {"fee": "-0.1"}),
        ([], {"fee": "free"}),
        ([], {"slippage": "nan"}),
        ([], {"segment": "test"}),
        ([], {"segment": "forward"}),
        ([], {"output": "no/such/folder/report.html"}),
        ([], {"output": "."}),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2_and_writes_nothing(capsys, parameters, options):
    market, _, _ = null_market()
    with pytest.raises(SystemExit) as ended:
        run(*parameters, **{"market": market.slug, **options})
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert len(printed.err.strip().splitlines()) == 1
    assert printed.out == ""
    assert list(Path().iterdir()) == []
