"""What the plots of a search show is what the trials hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from sessions.charts import curve_chart
from sessions.models import Trial
from sessions.search_charts import importances, intermediate_chart, parallel_coordinates


def trial(index: int, score: float | None = 0.5, state: str = "complete", **settings: object) -> Trial:
    settings = {"algorithm": "ppo", "net_arch": [32, 32], "gamma": 0.9} | settings
    return Trial(
        index=index, score=score, state=state, hyperparameters=settings, intermediate=[0.1, None, 0.3]
    )


def random_trials(n_trials: int = 12) -> list[Trial]:
    rng = np.random.default_rng(0)
    return [
        trial(
            i, float(rng.normal()), learning_rate=float(10 ** rng.uniform(-5, -2)), gamma=round(rng.uniform(0.8, 1), 1),
            algorithm=str(rng.choice(["ppo", "dqn"])),
        )
        for i in range(n_trials)
    ]  # fmt: skip


def test_importances_are_scipys_rank_correlations_strongest_first() -> None:
    trials = random_trials()
    rows = {row.name: row for row in importances(trials)}
    scores = [each.score for each in trials]
    for name in ("learning_rate", "gamma"):
        expected = spearmanr([each.hyperparameters[name] for each in trials], scores).statistic
        assert rows[name].value == pytest.approx(expected)
        assert rows[name].low < rows[name].value < rows[name].high
    assert [abs(row.value) for row in rows.values()] == sorted(
        (abs(row.value) for row in rows.values()), reverse=True
    )
    assert set(rows) == {"learning_rate", "gamma", "algorithm"}  # net_arch is the same everywhere


def test_a_choice_has_its_share_of_the_variance() -> None:
    scores = [1.0, 2.0, 3.0, 7.0, 8.0, 9.0]
    trials = [trial(i, score, algorithm="ppo" if i < 3 else "dqn") for i, score in enumerate(scores)]
    (row,) = importances(trials)
    assert row.value == pytest.approx(54 / 58)  # between 2·3·3² = 54, within 2·(1 + 0 + 1) = 4


@pytest.mark.parametrize(
    "trials", [[], [trial(0)] * 4, [trial(i) for i in range(9)], [trial(i, i) for i in range(9)]]
)
def test_too_few_trials_or_nothing_that_varies_give_no_importances(trials: list[Trial]) -> None:
    assert importances(trials) == []


def test_every_checkpoint_is_drawn_and_trials_are_not_joined() -> None:
    chart = intermediate_chart([trial(0), trial(1, state="pruned"), trial(2, state="failed")])
    complete, pruned = chart.traces
    assert list(complete.x) == [1, 2, 3, 3] and list(complete.y) == [0.1, None, 0.3, None]
    assert pruned.labels[0] == "trial 1, checkpoint 1" and pruned.dash == "dot"


def test_parallel_lines_have_a_point_on_every_axis_within_it_and_the_best_last() -> None:
    trials = random_trials()
    drawn = parallel_coordinates([*trials, trial(99, None, state="failed")])
    assert drawn is not None and len(drawn.lines) == len(trials)
    assert [axis.name for axis in drawn.axes][-1] == "validation Sharpe"
    for line in drawn.lines:
        places = [tuple(map(float, point.split(","))) for point in line.points.split()]
        assert [x for x, _ in places] == [axis.x for axis in drawn.axes]
        assert all(drawn.top <= y <= drawn.bottom for _, y in places)
    best = max(trials, key=lambda each: each.score or 0.0)
    assert drawn.lines[-1].title.startswith(f"trial {best.index},")
    assert parallel_coordinates(trials[:1]) is None


def test_a_training_that_is_done_replaces_the_points_it_told_meanwhile() -> None:
    live = {"part": "defaults", "step": 700, "n_steps": 2000, "validation_sharpe": 0.2}
    points = [{"step": step, "validation_sharpe": score} for step, score in ((1000, None), (2000, 0.4))]
    chart = curve_chart(
        [live | {"seed": 1}, live | {"seed": 2}, {"part": "defaults", "seed": 1, "points": points}]
    )
    done, running = chart.traces
    assert (done.name, list(done.x), list(done.y)) == ("defaults, seed 1", [1000, 2000], [None, 0.4])
    assert (running.name, list(running.x), list(running.y)) == ("defaults, seed 2", [700], [0.2])
    assert done.group == running.group == "defaults" and done.dash == running.dash


def test_dashes_tell_the_seeds_of_one_model_apart() -> None:
    chart = curve_chart({"seed": seed, "step": 1, "validation_sharpe": 0.1} for seed in (1, 2, 3))
    assert len({trace.dash for trace in chart.traces}) == 3 and not any(trace.group for trace in chart.traces)
