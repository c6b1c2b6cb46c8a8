"""A tournament: entrants bred and scored on validation, every one a row; a standalone one sits one exam."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from django.db.models.functions import Now
from django.utils.module_loading import import_string

from strategies.cluster_scoring import score_on_cluster
from strategies.controls import N_RANDOM_CONTROLS, score_controls
from strategies.diagnostics import data_snooping
from strategies.ensemble_entrants import N_LEADERS, EnsembleEntrant, form_ensembles
from strategies.exam import ExamResult, costs_of, examine, market_baseline
from strategies.finalists import review
from strategies.genetic.breed import next_generation
from strategies.genetic.evolve import Evolution, evolve
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.pareto import WINNER_RULE, choose_winner, front_of, make_breeder
from strategies.genetic.population import Individual
from strategies.genetic.stats import GenerationStats
from strategies.leaderboard import Standing, leaderboard
from strategies.models import Strategy, StrategyPerformance, Tournament
from strategies.pattern_entrant import enter_patterns
from strategies.plans import NSGA2, Plan, plan_of
from strategies.records import load_individuals, store_conclusion, store_generation, strategies_of
from strategies.scoring import ValidationScorer
from trainingday.bars import Bars
from trainingday.compute.dask_pool import BundleSource
from trainingday.compute.executor import TaskExecutor, open_executor
from trainingday.exceptions import FenceLost, RunCancelled, TrainingDayError
from trainingday.markets.models import TestWindow
from trainingday.markets.queries import query_bars
from trainingday.markets.services import current_test_window
from trainingday.markets.splits import Split, plan_split
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunState
from trainingday.typing import JSONDict

N_SHOWN = 10
N_OF_A_FAMILY = 20
MAX_FRONT = 200
BREED_PATH = "trainingday.nsga2.breed"  # by its path: only this process, a run's child, may load Optuna
SEARCH_SPAN = (0.02, 0.95)


@dataclass(frozen=True, eq=False)
class TournamentResult:
    """What a tournament found, on validation.

    Attributes
    ----------
    winner : Strategy or None
        The fittest entrant; None if no fitness was defined.
    winner_sharpe : float or None
        Annualised, on all of validation, net of costs.
    random_sharpe : float or None
        The best of 20 controls that trade as much as the winner at random times.
    n_entrants : int
        Rows, controls included.
    n_evaluations : int
        Different parameter sets scored: the size of the search.
    leaderboard : tuple of Standing
    """

    winner: Strategy | None
    winner_sharpe: float | None
    random_sharpe: float | None
    n_entrants: int
    n_evaluations: int
    leaderboard: tuple[Standing, ...]

    @property
    def sentence(self) -> str:
        """One sentence for people: the winner beside the best random control."""
        if self.winner is None:
            return "No entrant traded enough on validation to be ranked."
        control = "undefined" if self.random_sharpe is None else f"{self.random_sharpe:.2f}"
        return (
            f"The winner is {self.winner.label} with a validation Sharpe ratio of {self.winner_sharpe or 0:.2f}; "
            f"the best of {N_RANDOM_CONTROLS} random controls with the same turnover reached {control}."
        )


def execute(context: RunContext) -> str:
    """Carry out a standalone tournament and return its outcome in one or two sentences."""
    tournament = Tournament.objects.select_related("market", "dataset").get(pk=context.pk)
    context.stage("bars", 0.0)
    bars = query_bars(tournament.dataset)
    window = _frozen_window(context, tournament)
    split = plan_split(len(bars), bars.timestamps, window)
    context.stage("tournament", SEARCH_SPAN[0])
    with open_executor(BundleSource(tournament.dataset.sha256, split.validation.stop)) as executor:
        result = run_tournament(
            context, tournament, bars, split, executor=executor, progress_span=SEARCH_SPAN
        )
    context.stage("exam", SEARCH_SPAN[1])
    if result.winner is None:
        return result.sentence
    exam = examine(
        context,
        market=tournament.market,
        dataset=tournament.dataset,
        window=window,
        split=split,
        bars=bars,
        strategy=result.winner,
        score=result.winner_sharpe,
        also=lambda exam: _record_verdict(context, tournament, exam),
    )
    return f"{result.sentence} {exam.reason}"


def run_tournament(
    context: RunContext,
    tournament: Tournament,
    bars: Bars,
    split: Split,
    *,
    executor: TaskExecutor | None = None,
    progress_span: tuple[float, float] = (0.0, 1.0),
) -> TournamentResult:
    """Breed and score a tournament's entrants and return what was found.

    Parameters
    ----------
    context : RunContext
        Of the tournament, or of the training session that the tournament is part of.
    tournament : Tournament
        Its configuration names the entrants (see `strategies.plans`), its seed and `n_generations` the rest.
        If `is_part`, its own state is kept here, inside the context's transactions.
    bars, split : Bars, Split
        Only `bars[:split.validation.stop]` are read.
    executor : TaskExecutor, optional
        Whose workers score the generations, if they are a cluster's; its bars end with validation.
    progress_span : tuple of float
        The part of the run's progress that this work moves through.

    Notes
    -----
    Each generation is committed as a whole. After a kill the committed ones are read back, not scored
    again, and the result is that of an undisturbed run.
    """
    tournament.refresh_from_db()
    if tournament.is_part and tournament.state == RunState.SUCCEEDED:
        return _result(tournament)
    try:
        return _run(context, tournament, bars, split, executor, progress_span)
    except TrainingDayError as error:
        if tournament.is_part and not isinstance(error, FenceLost):
            is_cancelled = isinstance(error, RunCancelled)
            _end_part(
                context, tournament, RunState.CANCELLED if is_cancelled else RunState.FAILED, str(error)
            )
        raise


def _run(
    context: RunContext,
    tournament: Tournament,
    bars: Bars,
    split: Split,
    executor: TaskExecutor | None,
    span: tuple[float, float],
) -> TournamentResult:
    if tournament.is_part:
        with context.transaction():
            Tournament.objects.filter(pk=tournament.pk).update(
                state=RunState.RUNNING, started_at=tournament.started_at or Now(), attempts=1
            )
    enter_patterns(context, tournament, bars[: split.train.stop], split, span[0])
    plan = plan_of(tournament)
    progress = _Progress(context, plan, span)
    market = tournament.market
    scorer = ValidationScorer(
        bars=bars[: split.validation.stop],
        validation=split.validation,
        costs=costs_of(market),
        bars_per_year=market.bars_per_year,
        options=plan.fitness,
        on_progress=progress.scored,
    )
    committed = load_individuals(tournament, plan.families)
    progress.start(committed)
    evolution = evolve(
        plan.families,
        scorer,
        EvolutionOptions(
            population_size=plan.population_size, n_generations=plan.n_generations + 1, seed=tournament.seed
        ),
        champions=plan.champions,
        committed=committed,
        on_generation=_committer(context, tournament, plan, progress),
        breed=make_breeder(import_string(BREED_PATH)) if plan.search == NSGA2 else next_generation,
        # A pool of processes here takes 2 s to start, and then scored 2,000 entrants on 80,000 bars no faster than
        # this process alone (1.5 s, on two cores that others used as well).
        score_all=partial(score_on_cluster, executor, scorer) if executor and executor.is_cluster else None,
    )
    _conclude(context, tournament, plan, scorer, evolution, split)
    return _result(tournament)


class _Progress:
    """How far the search is; reported at most twice a second, which is also when a cancel is seen."""

    def __init__(self, context: RunContext, plan: Plan, span: tuple[float, float]) -> None:
        self._context, self._span = context, span
        self._n_generations = plan.n_generations + 1
        self._n_total = self._n_generations * plan.population_size
        self._n_scored = 0
        self._detail = "founders"

    def start(self, committed: list[Individual]) -> None:
        self._n_scored = len(committed)

    def scored(self, n: int) -> None:
        low, high = self._span
        share = min(1.0, self._n_scored / self._n_total)
        self._context.tick(low + (high - low) * share, {"detail": self._detail})
        self._n_scored += n

    def generation_done(self, stats: GenerationStats) -> None:
        # Elites are not scored again, so the count falls behind; whole generations put it right.
        self._n_scored = (stats.generation + 1) * self._n_total // self._n_generations
        best = "none" if stats.best is None else f"{stats.best:.2f}"
        self._detail = f"generation {stats.generation + 1} of {self._n_generations - 1}, best so far {best}"


def _committer(
    context: RunContext, tournament: Tournament, plan: Plan, progress: _Progress
) -> Callable[[GenerationStats, tuple[Individual, ...]], None]:
    def commit(stats: GenerationStats, population: tuple[Individual, ...]) -> None:
        entry = {**stats.as_dict(), "best_sharpe": _best_sharpe(population)}
        tournament.history = [*tournament.history, entry]
        with context.transaction():
            store_generation(tournament, population, plan.families)
            Tournament.objects.filter(pk=tournament.pk).update(history=tournament.history)
            keys = ("generation", "best", "median", "diversity", "best_sharpe")
            context.add_event(
                "generation", {**{key: entry[key] for key in keys}, "tournament": tournament.pk}
            )
        progress.generation_done(stats)

    return commit


def _best_sharpe(population: tuple[Individual, ...]) -> float | None:
    """Return the validation Sharpe ratio of the fittest, None where no fitness is defined."""
    able = [one for one in population if one.fitness is not None]
    return max(able, key=lambda one: one.fitness or 0.0).diagnostics["sharpe_ratio"] if able else None


def _conclude(
    context: RunContext,
    tournament: Tournament,
    plan: Plan,
    scorer: ValidationScorer,
    evolution: Evolution,
    split: Split,
) -> None:
    """Form the ensembles, choose the winner, score the controls, and record it all in one transaction."""
    fittest = _different(evolution.leaders(len(evolution.individuals)))
    leaders = list(zip(fittest, strategies_of(tournament, fittest, plan.families), strict=True))
    ensembles = form_ensembles(scorer, leaders[:N_LEADERS], plan.ensembles)
    front = front_of(evolution.individuals) if plan.search == NSGA2 else []
    picked = choose_winner(front) if plan.search == NSGA2 else evolution.winner
    winner = _choose(tournament, plan, picked, ensembles)
    controls = score_controls(scorer, winner.strategy if winner else None, tournament.seed)
    baseline = market_baseline(tournament.market, scorer.bars, split)
    entrants: list[tuple[float, str, Strategy]] = [
        *((_or_worst(one.fitness), one.uid, one.strategy) for one in ensembles),
        *((_or_worst(one.fitness), one.uid, strategy) for one, strategy in leaders),
    ]
    ranked = [(uid, strategy) for _, uid, strategy in sorted(entrants, key=lambda line: -line[0])]
    first = [(winner.uid, winner.strategy)] if winner else []
    summary: JSONDict = {
        "winner_fitness": winner.fitness if winner else None,
        "winner_uid": winner.uid if winner else None,
        "n_evaluations": evolution.n_evaluations + len(ensembles),
        "stopped_early": evolution.stopped_early,
        **controls.as_dict(),
        "data_snooping": data_snooping(
            scorer, plan.families, evolution.individuals, baseline, tournament.seed
        ),
        **review(scorer, split.train, [*first, *(pair for pair in ranked if pair not in first)]),
    }
    if plan.search == NSGA2:
        summary["front"] = _front_summary(tournament, plan, front, picked)
    with context.transaction():
        store_conclusion(tournament, controls, ensembles, evolution.generations[-1].generation)
        rows = Tournament.objects.filter(pk=tournament.pk)
        n_entrants = StrategyPerformance.objects.filter(tournament=tournament).count()
        rows.update(
            winner=winner.strategy if winner else None,
            winner_sharpe=winner.sharpe if winner else None,
            n_entrants=n_entrants,
            summary=summary,
        )
        tournament.refresh_from_db()
        result = _result(tournament)
        if tournament.is_part:
            rows.update(state=RunState.SUCCEEDED, finished_at=Now(), progress=1.0, reason=result.sentence)
        entries = [line.as_dict() for line in result.leaderboard[:N_SHOWN]]
        context.add_event("leaderboard", {"tournament": tournament.pk, "entries": entries})


def _different(leaders: Sequence[Individual]) -> list[Individual]:
    """Return the leaders, at most 20 of a family, of those that traded alike the first."""
    first: dict[object, Individual] = {}
    for one in leaders:
        scores = one.diagnostics
        key = (one.family, one.fitness, scores["sharpe_ratio"], scores["total_return"], scores["n_trades"])
        first.setdefault(key, one)
    n_of: Counter[str] = Counter()
    chosen = []
    for one in first.values():
        n_of[one.family] += 1
        if n_of[one.family] <= N_OF_A_FAMILY:
            chosen.append(one)
    return chosen


@dataclass(frozen=True, eq=False)
class _Winner:
    strategy: Strategy
    uid: str
    fitness: float | None
    sharpe: float | None


def _choose(
    tournament: Tournament, plan: Plan, picked: Individual | None, ensembles: Sequence[EnsembleEntrant]
) -> _Winner | None:
    """Return the picked individual, or the fittest ensemble where that is fitter."""
    best = max(ensembles, key=lambda one: _or_worst(one.fitness), default=None)
    if best is not None and _or_worst(best.fitness) > _or_worst(picked.fitness if picked else None):
        return _Winner(best.strategy, best.uid, best.fitness, best.sharpe_ratio)
    if picked is None:
        return None
    [strategy] = strategies_of(tournament, [picked], plan.families)
    return _Winner(strategy, picked.uid, picked.fitness, picked.diagnostics["sharpe_ratio"])


def _or_worst(fitness: float | None) -> float:
    return -math.inf if fitness is None else fitness


def _front_summary(
    tournament: Tournament, plan: Plan, front: Sequence[Individual], picked: Individual | None
) -> JSONDict:
    """Return the front for pages and API, the fittest first, with the rule that named the winner."""
    strategies = strategies_of(tournament, front, plan.families)
    entries = [
        {
            "uid": one.uid,
            "label": strategy.label,
            "fitness": one.fitness,
            **{name: one.diagnostics[name] for name in ("sharpe_ratio", "max_drawdown", "turnover")},
            "is_winner": picked is not None and one.uid == picked.uid,
        }
        for one, strategy in zip(front[:MAX_FRONT], strategies, strict=False)
    ]
    return {"rule": WINNER_RULE, "n_members": len(front), "entries": entries}


def _result(tournament: Tournament) -> TournamentResult:
    """Return the outcome that a tournament's row and its entrants hold."""
    return TournamentResult(
        winner=tournament.winner,
        winner_sharpe=tournament.winner_sharpe,
        random_sharpe=tournament.summary["random"]["best"],
        n_entrants=tournament.n_entrants or 0,
        n_evaluations=tournament.summary["n_evaluations"],
        leaderboard=tuple(leaderboard(tournament)),
    )


def _frozen_window(context: RunContext, tournament: Tournament) -> TestWindow:
    """Return the test window that the first attempt found, so that a repeated run keeps to it."""
    known = tournament.configuration.get("test_window")
    if known is not None:
        return TestWindow.objects.get(pk=known)
    window = current_test_window(tournament.market, tournament.dataset)
    tournament.configuration["test_window"] = window.pk
    with context.transaction(configuration=tournament.configuration):
        pass
    return window


def _record_verdict(context: RunContext, tournament: Tournament, exam: ExamResult) -> None:
    summary = {**tournament.summary, "exam": exam.public, "exams_left": exam.exams_left}
    Tournament.objects.filter(pk=tournament.pk).update(verdict=exam.verdict, summary=summary)
    context.add_event("verdict", {"verdict": exam.verdict, "reason": exam.reason})


def _end_part(context: RunContext, tournament: Tournament, state: RunState, reason: str) -> None:
    with context.transaction():
        Tournament.objects.filter(pk=tournament.pk).update(state=state, finished_at=Now(), reason=reason)
