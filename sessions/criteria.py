"""The mission's success criteria as one session can measure them.

Where EVIDENCE would use the test window but the exam keeps it sealed, the same measure is taken on validation
and says so: nothing on test is computed for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from patterns.models import PatternScan
from sessions.day import Day
from sessions.models import ModelVersion, TrainingSession
from strategies.exam import ExamResult
from strategies.models import Champion, Tournament
from strategies.positions import positions_of
from strategies.store import cached_model
from trainingday.backtest.engine import run_backtest
from trainingday.stats.criteria import (
    drawdown_reduction,
    ensemble_stability,
    generation_improvement,
    new_patterns,
    search_improvement,
    sharpe_improvement,
    validated_out_of_sample,
    win_rate_trend,
)
from trainingday.stats.criterion import Criterion
from trainingday.stats.evidence import Verdict
from trainingday.typing import FloatArray

ON_VALIDATION = "Measured on validation, where the settings were chosen: the test window is sealed."


def measure_criteria(
    day: Day, candidate: ModelVersion, result: ExamResult, scan: PatternScan, tournament: Tournament
) -> list[Criterion]:
    """Return every criterion, measured or with the reason why it could not be."""
    searched = candidate.settings_choice["found_scores"]
    return [
        _sharpe(day, candidate, result),
        new_patterns(scan.n_new or 0, scan.n_found or 0, scan.n_tested or 0),
        _win_rates(day),
        _promotions(day),
        _on_validation(search_improvement(searched, candidate.default_scores)),
        _on_validation(generation_improvement(_generations(day, candidate), _controls(tournament))),
        _on_validation(stability_on_these_bars(candidate)),
        _on_validation(_drawdown(day, candidate)),
    ]


def _sharpe(day: Day, candidate: ModelVersion, result: ExamResult) -> Criterion:
    """Compare with the champion that was beaten, or with flat where there was none; sealed unless passed."""
    if not result.has_passed:
        unread = np.zeros(day.split.test.stop - day.split.test.start - 1)
        return sharpe_improvement(unread, unread, bars_per_year=day.bars_per_year, verdict=Verdict.NOT_PROVEN)
    seen = day.bars[: day.split.test.stop]
    new = _returns(day, positions_of(candidate.strategy, seen), day.split.test)
    beaten = (
        _returns(day, positions_of(result.previous.strategy, seen), day.split.test)
        if result.previous
        else np.zeros_like(new)
    )
    return sharpe_improvement(new, beaten, bars_per_year=day.bars_per_year, verdict=Verdict.PASSED)


def _win_rates(day: Day) -> Criterion:
    """Return the trend over promoted finalists: only their exams are open."""
    reigns = (
        Champion.objects.filter(market=day.market, look__verdict=Verdict.PASSED)
        .select_related("look")
        .order_by("pk")
    )
    metrics = [reign.look.decision["sealed"]["evidence"]["candidate"] for reign in reigns if reign.look]
    return win_rate_trend([each["win_rate"] for each in metrics], [each["expectancy"] for each in metrics])


def _promotions(day: Day) -> Criterion:
    """Count the promotions that nobody decided by hand: by a passed exam, or on bars that came later."""
    reigns = Champion.objects.filter(market=day.market, decided_by__isnull=True)
    by_exam = reigns.filter(look__verdict=Verdict.PASSED).count()
    by_forward = reigns.filter(forward__isnull=False).count()
    found = validated_out_of_sample(reigns.count(), by_exam + by_forward)
    if not by_forward:
        return found
    words = f"{by_forward} of them on bars that came after a failed exam, {by_exam} by a passed one."
    return replace(found, note=f"{found.note} {words}".strip())


def _generations(day: Day, candidate: ModelVersion) -> list[float | None]:
    earlier = TrainingSession.objects.filter(market=day.market, generation__isnull=False).exclude(
        pk=day.session.pk
    )
    scores = earlier.order_by("generation").values_list("new_sharpe", flat=True)
    return [*scores, candidate.validation_sharpe]


def _controls(tournament: Tournament) -> list[float | None]:
    """Return the random entrants' best score of this session's tournament: one generation, no inheritance."""
    rows = tournament.performances.filter(strategy_name="random").order_by("pk")
    return list(rows.values_list("sharpe_ratio", flat=True))


def stability_on_these_bars(candidate: ModelVersion) -> Criterion:
    """Compare ensembles with one member each over the sessions that scored on the candidate's validation bars.

    A session has one ensemble, so one session cannot tell. The member is the one of the lowest seed, whatever it
    scored. Sessions of one seed, which train the same weights, count once; without two members there is no ensemble.
    """
    same = ModelVersion.objects.filter(
        market=candidate.market_id,
        dataset=candidate.dataset_id,
        train_first_us=candidate.train_first_us,
        train_last_us=candidate.train_last_us,
    ).exclude(stage=ModelVersion.Stage.BASELINE)
    different = {one.weights_hash: one for one in same.order_by("-pk") if len(one.members) > 1}.values()
    single = [min(one.members, key=lambda member: member["seed"])["validation_sharpe"] for one in different]
    found = ensemble_stability(single, [one.overlay["options"]["none"]["sharpe_ratio"] for one in different])
    return replace(found, note=f"{found.note} Each session searched its own settings, on both sides.".strip())


def _drawdown(day: Day, candidate: ModelVersion) -> Criterion:
    """Compare the candidate as it is deployed with its policy alone, without the overlay."""
    model = cached_model(candidate.selection_strategy.artifact)
    plain = _returns(day, model.policy.positions_on(day.seen), day.split.validation)
    damped = _returns(day, model.positions_on(day.seen), day.split.validation)
    return drawdown_reduction(damped, plain, rng=np.random.default_rng(day.session.seed))


def _returns(day: Day, positions: FloatArray, segment: slice) -> FloatArray:
    result = run_backtest(day.bars[segment], positions[segment], day.costs, bars_per_year=day.bars_per_year)
    return result.returns


def _on_validation(criterion: Criterion) -> Criterion:
    return replace(criterion, note=f"{ON_VALIDATION} {criterion.note}".strip())
