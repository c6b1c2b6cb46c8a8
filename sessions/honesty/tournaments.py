"""The tournament of users' runs on one market of known truth: bred on validation, one exam for the winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sessions.honesty.exams import NULL_FEE, PLANTED_FEE, ExamOutcome, one_bar_early, sit_exam
from sessions.honesty.options import MarketTask, Mutant
from strategies.genetic.evolve import Evolution, evolve
from strategies.genetic.fitness import FitnessOptions
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.population import Individual
from strategies.grading import ExamRoom
from strategies.library.base import Family
from strategies.library.registry import get_family
from strategies.scoring import ValidationScorer
from trainingday.backtest.engine import Costs
from trainingday.bars import Bars
from trainingday.markets.splits import Split
from trainingday.synthetic import HOURS_PER_YEAR, NULL_MARKETS, synthetic_bars
from trainingday.typing import FloatArray

FAMILIES = ("momentum", "mean_reversion", "breakout", "moving_average_cross")
POPULATION_SIZE, N_GENERATIONS = 40, 6
GAP = 250
SPLIT = Split(slice(0, 6_000), slice(6_250, 10_250), slice(10_500, 14_500), slice(14_500, 14_500), GAP)
N_BARS = SPLIT.test.stop


def run_tournament_market(task: MarketTask) -> ExamOutcome:
    """Return what the gate said of the winner of 4 x 10 entrants over 6 generations.

    Null markets N1..N5 cost nothing to trade, so that nothing but the gate stands between luck and
    promotion; N6, P1 and P2 cost 2 basis points. On N6, the beta trap, the best founder is the champion.
    """
    bars = synthetic_bars(task.kind, N_BARS, task.index, task.seed)
    costs = Costs(NULL_FEE if task.kind in NULL_MARKETS else PLANTED_FEE, 0.0)
    room = ExamRoom(bars, SPLIT, costs, HOURS_PER_YEAR)
    families = [get_family(name) for name in FAMILIES]
    if task.mutant is Mutant.LOOKAHEAD:
        families = [early(family) for family in families]
    scorer = ValidationScorer(
        bars[: SPLIT.validation.stop], SPLIT.validation, costs, HOURS_PER_YEAR, FitnessOptions()
    )
    options = EvolutionOptions(
        population_size=POPULATION_SIZE, n_generations=N_GENERATIONS, seed=task.stream()
    )
    evolution = evolve(families, scorer, options)
    by_name = {family.name: family for family in families}
    winner = evolution.winner
    if task.mutant is Mutant.PICK_ON_TEST:
        winner = _best_on_test(room, by_name, evolution)
    champion = _best_founder(evolution) if task.kind == "N6" else None
    return sit_exam(room, task.kind, _positions(by_name, winner, bars), _positions(by_name, champion, bars))


def early(family: Family) -> Family:
    """Return the family with its positions decided one bar before they can be known."""

    class Early(Family):
        name, title, meaning, source = family.name, family.title, family.meaning, family.source
        parameters = family.parameters

        def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
            return one_bar_early(family.compute_positions(bars, values))

    return Early()


def _positions(families: Mapping[str, Family], one: Individual | None, bars: Bars) -> FloatArray | None:
    if one is None:
        return None
    family = families[one.family]
    names = [parameter.name for parameter in family.parameters]
    return family.positions(bars, dict(zip(names, one.parameters, strict=True)))


def _best_founder(evolution: Evolution) -> Individual | None:
    founders = [one for one in evolution.individuals if one.generation == 0 and one.fitness is not None]
    return max(founders, key=lambda one: one.fitness or 0.0, default=None)


def _best_on_test(room: ExamRoom, families: Mapping[str, Family], evolution: Evolution) -> Individual | None:
    """Return the individual with the highest test Sharpe ratio: the fault of the mutant "pick-on-test"."""
    options = FitnessOptions(n_folds=1, spread_penalty=0.0)
    scorer = ValidationScorer(room.bars, room.split.test, room.costs, room.bars_per_year, options)
    best, best_fitness = None, -np.inf
    for name, family in families.items():
        members: Sequence[Individual] = [one for one in evolution.individuals if one.family == name]
        if not members:
            continue
        fitness = scorer(family, np.array([one.parameters for one in members])).fitness
        place = int(np.argmax(fitness))
        if fitness[place] > best_fitness:
            best, best_fitness = members[place], float(fitness[place])
    return best
