"""`manage.py honesty`: exit codes, one clear sentence for bad input, and what is stored."""

import pytest
from django.core.management import call_command

from sessions.models import HonestyRun

pytestmark = pytest.mark.django_db
SMALL = ("--markets", "2", "--parts", "models", "--workers", "1")


def run(*arguments: str) -> int:
    try:
        call_command("honesty", *arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_it_prints_rates_with_intervals_and_stores_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SMALL, "--seed", "5") == 0
    printed = capsys.readouterr().out
    assert "Models" in printed and "0 of 2" in printed and "0.000–0.842" in printed
    stored = HonestyRun.objects.get()
    assert (stored.parts, stored.n_markets, stored.seed, stored.has_passed) == (["models"], 2, 5, True)
    assert [line["name"] for line in stored.results] == ["untrained_05", "untrained_005", "untrained_naive"]
    assert stored.command == "manage.py honesty --markets 2 --parts models --seed 5"


def test_the_command_it_names_repeats_it() -> None:
    run(*SMALL, "--seed", "5")
    first = HonestyRun.objects.get()
    run(*first.command.removeprefix("manage.py honesty ").split(), "--workers", "1")
    assert HonestyRun.objects.count() == 2
    assert HonestyRun.objects.first().results == first.results


def test_without_a_terminal_it_prints_how_far_it_is(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    assert run(*SMALL, "--no-store", "--journal", str(tmp_path / "outcomes.jsonl")) == 0
    assert "2 of 2 markets" in capsys.readouterr().out


def test_without_storing_nothing_is_kept() -> None:
    assert run(*SMALL, "--no-store") == 0
    assert not HonestyRun.objects.exists()


def test_a_mutant_fails_with_1_and_is_never_stored(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--markets", "4", "--parts", "models", "--workers", "1", "--mutant", "lookahead") == 1
    printed = capsys.readouterr().out
    assert "FAILS" in printed and "the fault lookahead" in printed
    assert not HonestyRun.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--markets", "1"), "markets"),
        (("--markets", "-5"), "markets"),
        (("--parts", ""), "parts"),
        (("--parts", "models,luck"), "parts"),
        (("--seed", "-1"), "seed"),
        (("--train", "-1"), "train"),
        (("--workers", "0"), "workers"),
        (("--mutant", "unknown"), "mutant"),
        (("--mutant", "pick-on-test"), "pick-on-test"),
        (("--journal", __file__), "journal"),
    ],
)
def test_bad_input_ends_with_2_and_one_sentence(
    arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert named in error and "\n" not in error
    assert not HonestyRun.objects.exists()
