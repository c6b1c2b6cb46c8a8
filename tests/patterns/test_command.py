import pytest
from django.core.management import call_command

from patterns.management.commands import scan as command
from patterns.models import PatternScan
from tests.markets import gaussian_bars
from tests.patterns.helpers import context_of, make_market, planted_bars
from trainingday.markets.models import Market
from trainingday.runs.child import work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_queue")]


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work without a child process: that is the runs app's test."""

    def run_here(run, console):
        work(context_of(run))
        run.refresh_from_db()
        return run

    monkeypatch.setattr(command, "run_in_foreground", run_here)


@pytest.mark.slow
def test_it_prints_what_was_tested_found_and_confirmed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    market = make_market(planted_bars(16_000))
    call_command("scan", market=market.slug, seed=3)
    printed = " ".join(capsys.readouterr().out.split())
    run = PatternScan.objects.get()
    assert f"{run.public_id}, seed 3" in printed
    assert f"{run.n_tested:,} candidates tested, {run.n_found} found, {run.n_confirmed} confirmed" in printed
    confirmed = run.patterns_seen.filter(state="confirmed").values_list("key", flat=True)
    assert confirmed and all(key in printed for key in confirmed)
    assert "above 60 % out of sample" in printed


def test_noise_prints_why_nothing_was_found(capsys, market: Market):
    call_command("scan", market=market.slug)
    assert "0 found" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "options",
    [{"market": "NOWHERE-1h"}, {"seed": -1}, {"windows": [52]}, {"windows": [130]}, {"threshold": -1.0}],
)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, market: Market, options):
    with pytest.raises(SystemExit) as ended:
        call_command("scan", **{"market": market.slug, **options})
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not PatternScan.objects.exists()


def test_too_few_bars_exit_with_2(capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("scan", market=make_market(gaussian_bars(900, 1), "SHORT").slug)
    assert ended.value.code == 2 and "900 bars" in capsys.readouterr().err
