"""Controls of a tournament: buy & hold, flat, and random with the winner's turnover; none of them can win."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategies.genetic.entrants import random_positions
from strategies.genetic.evolve import Evaluation, finite
from strategies.library.registry import get_family
from strategies.models import Strategy
from strategies.positions import RANDOM_CONTROL, positions_of
from strategies.scoring import ValidationScorer
from trainingday.typing import FloatArray, JSONDict

N_RANDOM_CONTROLS = 20


@dataclass(frozen=True, eq=False)
class Controls:
    """Entrants that always take part: `fixed` by family, and the random `draws` of one seed."""

    fixed: dict[str, Evaluation]
    draws: list[Evaluation]
    seed: int

    @property
    def random(self) -> list[float | None]:
        """Return the Sharpe ratio of each draw."""
        return [_sharpe(draw) for draw in self.draws]

    def as_dict(self) -> JSONDict:
        """Return what the tournament's summary keeps of them."""
        defined = [value for value in self.random if value is not None]
        return {
            "random": {
                "n_draws": len(self.draws),
                "best": max(defined, default=None),
                "median": float(np.median(defined)) if defined else None,
            },
            "buy_and_hold": _sharpe(self.fixed["buy_and_hold"]),
        }

    def entries(self, last: int) -> list[tuple[str, str, dict[str, float], int, Evaluation]]:
        """Return uid, family, parameters, generation and evaluation of each; of the draws, the best."""
        found: list[tuple[str, str, dict[str, float], int, Evaluation]] = [
            (f"control-{name}", name, {}, 0, evaluation) for name, evaluation in self.fixed.items()
        ]
        ratios = [-np.inf if ratio is None else ratio for ratio in self.random]
        if ratios:
            best = int(np.argmax(ratios))
            parameters = {"seed": float(self.seed), "draw": float(best)}
            found.append(("control-random", RANDOM_CONTROL, parameters, last, self.draws[best]))
        return found


def score_controls(scorer: ValidationScorer, winner: Strategy | None, seed: int) -> Controls:
    """Return the scored controls; random ones need a winner whose turnover they share."""
    fixed = {
        name: scorer.of_positions(get_family(name).positions(scorer.bars, {}), needs_trades=False)
        for name in ("buy_and_hold", "flat")
    }
    draws: list[Evaluation] = []
    if winner is not None:
        reference = positions_of(winner, scorer.bars)[scorer.validation]
        for row in random_positions(reference, N_RANDOM_CONTROLS, seed):
            positions: FloatArray = np.zeros(len(scorer.bars))
            positions[scorer.validation] = row
            draws.append(scorer.of_positions(positions, needs_trades=False))
    return Controls(fixed, draws, seed)


def _sharpe(evaluation: Evaluation) -> float | None:
    return finite(evaluation.diagnostics["sharpe_ratio"][0])
