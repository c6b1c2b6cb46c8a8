import pytest
from django.core.management import call_command

from strategies.leaderboard import leaderboard
from strategies.management.commands import tournament as command
from strategies.models import Tournament
from tests.markets import gaussian_bars
from tests.strategies.helpers import context_of, null_market, store
from trainingday.runs.child import work

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    """Work without queue and child process: those are the runs app's tests."""

    def run_here(run, console):
        work(context_of(run))
        run.refresh_from_db()
        return run

    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)
    monkeypatch.setattr(command, "run_in_foreground", run_here)


def test_it_prints_leaderboard_verdict_and_exams_left(capsys):
    market, _, _ = null_market()
    call_command("tournament", market=market.slug, generations=1, population=8, seed=3)
    printed = " ".join(capsys.readouterr().out.split())
    run = Tournament.objects.get()
    assert f"{run.public_id}, seed 3" in printed
    assert run.winner.family in printed and "control" in printed
    assert "sealed exams left" in printed


@pytest.mark.parametrize(
    "options",
    [
        {"market": "NOWHERE-1h"},
        {"generations": 0},
        {"generations": 201},
        {"population": 3},
        {"population": 2001},
        {"seed": -1},
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, options):
    market, _, _ = null_market()
    with pytest.raises(SystemExit) as ended:
        call_command("tournament", **{"market": market.slug, **options})
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not Tournament.objects.exists()


def test_too_few_bars_exit_with_2(capsys):
    market, _, _ = store("SHORT", gaussian_bars(900, 1))
    with pytest.raises(SystemExit) as ended:
        call_command("tournament", market=market.slug)
    assert ended.value.code == 2
    assert "900 bars" in capsys.readouterr().err
    assert not Tournament.objects.exists()


def test_every_line_has_a_cell_for_every_column():
    market, _, _ = null_market()
    call_command("tournament", market=market.slug, generations=1, population=8, seed=3)
    lines = leaderboard(Tournament.objects.get())
    assert {len(command._cells(line)) for line in lines} == {len(command.COLUMNS)}
