"""The ensembles that take part in a tournament: mean positions of its fittest different entrants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from strategies.ensembles import ENSEMBLE, pick_different
from strategies.genetic.evolve import Evaluation, finite
from strategies.genetic.population import Individual
from strategies.models import Strategy
from strategies.positions import ensemble_strategy, positions_of
from strategies.scoring import ValidationScorer
from trainingday.typing import FloatArray

N_LEADERS = 60
SHAPES: tuple[tuple[int, float], ...] = tuple((size, share) for size in (3, 5, 8) for share in (0.0, 0.5))
Leader = tuple[Individual, Strategy]


@dataclass(frozen=True, eq=False)
class EnsembleEntrant:
    """One ensemble: its frozen strategy, the uids of its members (its parents), and its score."""

    strategy: Strategy
    members: tuple[str, ...]
    evaluation: Evaluation

    @property
    def uid(self) -> str:
        parameters = self.strategy.parameters
        return f"ensemble-{parameters['n_members']:g}-{parameters['agreement']:g}"

    @property
    def fitness(self) -> float | None:
        return finite(self.evaluation.fitness[0])

    @property
    def sharpe_ratio(self) -> float | None:
        return finite(self.evaluation.diagnostics["sharpe_ratio"][0])


def form_ensembles(
    scorer: ValidationScorer, leaders: Sequence[Leader], shapes: Sequence[tuple[int, float]]
) -> list[EnsembleEntrant]:
    """Return an ensemble of each shape (members, agreement) that there are enough different leaders for.

    Members are the fittest entrants whose validation returns are not those of a fitter member over again,
    so everything about an ensemble is chosen on validation. The leaders come fittest first.
    """
    if not shapes:
        return []
    chosen = pick_different(_returns(scorer, leaders), max(size for size, _ in shapes))
    members = [leaders[index] for index in chosen]
    positions = [positions_of(strategy, scorer.bars) for _, strategy in members]
    found = []
    for size, agreement in shapes:
        if size > len(members):
            continue
        scorer.on_progress(1)
        strategy = ensemble_strategy(
            members[0][1].market, [strategy for _, strategy in members[:size]], agreement
        )
        held: FloatArray = ENSEMBLE.combine(np.stack(positions[:size]), strategy.parameters)
        uids = tuple(individual.uid for individual, _ in members[:size])
        found.append(EnsembleEntrant(strategy, uids, scorer.of_positions(held)))
    return found


def _returns(scorer: ValidationScorer, leaders: Sequence[Leader]) -> Iterator[FloatArray]:
    for _, strategy in leaders:
        scorer.on_progress(0)
        yield scorer.returns(positions_of(strategy, scorer.bars))
