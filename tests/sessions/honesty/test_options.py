"""What may be asked of the benchmark, and the markets that it then consists of."""

from collections import Counter

import pytest

from sessions.honesty.options import Case, HonestyOptions, MarketTask, Mutant
from trainingday.exceptions import InvalidArgument


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"n_markets": 1}, "markets"),
        ({"n_markets": 10_001}, "markets"),
        ({"n_markets": True}, "markets"),
        ({"parts": ()}, "parts"),
        ({"parts": ("models", "models")}, "parts"),
        ({"parts": ("luck",)}, "parts"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"n_trained": -1}, "train"),
        ({"n_trained": 1, "parts": ("patterns",)}, "train"),
        ({"n_workers": 0}, "workers"),
        ({"mutant": Mutant.PICK_ON_TEST}, "pick-on-test"),
    ],
)
def test_bad_options_are_named(fields: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        HonestyOptions(**fields)  # type: ignore[arg-type]


def test_200_markets_are_200_null_and_200_planted_ones_for_each_part() -> None:
    counts = Counter((task.case, task.kind) for task in HonestyOptions(200, n_trained=3).tasks())
    null = [("tournament", f"N{number}") for number in range(1, 6)]
    assert [counts[Case(case), kind] for case, kind in null] == [40] * 5
    planted = [("tournament", "P1"), ("tournament", "P2"), ("tournament", "N6")]
    assert [counts[Case(case), kind] for case, kind in planted] == [100] * 3
    assert counts[Case.PATTERNS_PLANTED, "patterns"] == 200
    assert (counts[Case.TRAINED, "N3"], counts[Case.TRAINED, "P1"]) == (3, 3)


def test_more_markets_keep_the_ones_there_were() -> None:
    few, many = ({*HonestyOptions(n).tasks()} for n in (6, 12))
    assert few <= many


def test_every_task_has_a_stream_of_its_own() -> None:
    tasks = HonestyOptions(50, n_trained=10).tasks()
    assert len({task.stream() for task in tasks}) == len(tasks)
    task = MarketTask(Case.UNTRAINED, "N1", 0, 7)
    assert task.stream() == MarketTask(Case.UNTRAINED, "N1", 0, 7, Mutant.LOOKAHEAD).stream()
