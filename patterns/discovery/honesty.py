"""Honesty: what the miner claims on markets whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from patterns.discovery.confirm import confirm, confirmed_patterns
from patterns.discovery.features import Features
from patterns.discovery.mining import mine
from patterns.discovery.options import MiningOptions, Segments
from patterns.discovery.pattern import Pattern
from patterns.discovery.sightings import find_sightings
from trainingday.bars import Bars
from trainingday.synthetic import NULL_MARKETS, SEED, PlantedMarket, planted_words_market, synthetic_bars

SEARCH_BARS, GAP_BARS, LATER_BARS = 40_000, 60, 10_000
N_BARS = SEARCH_BARS + GAP_BARS + LATER_BARS
LATER = slice(SEARCH_BARS + GAP_BARS, N_BARS)


@dataclass(frozen=True)
class NullOutcome:
    """What one session claimed on a market without patterns: every claim is false.

    Attributes
    ----------
    market : N1..N5.
    n_tested, n_candidates, n_confirmed : candidates tested, found on 40,000 bars, confirmed on the
        10,000 after a gap of 60.
    """

    market: str
    n_tested: int
    n_candidates: int
    n_confirmed: int


@dataclass(frozen=True)
class PlantedOutcome:
    """What one session recovered of the words planted.

    Attributes
    ----------
    n_planted : words planted.
    n_candidates, n_confirmed : patterns found, and confirmed.
    n_words_confirmed : different words confirmed.
    n_words_recovered : planted words confirmed in their direction.
    n_words_false : other words confirmed although the market does not drift after them: the planted
        drift over their later sightings is below a tenth of the effect. Neighbours of a planted word,
        windows that begin or end a few bars beside it, truly drift and are not false.
    """

    n_planted: int
    n_candidates: int
    n_confirmed: int
    n_words_confirmed: int
    n_words_recovered: int
    n_words_false: int


def run_null(
    index: int,
    seed: int = SEED,
    options: MiningOptions | None = None,
    *,
    make_features: Callable[[Bars], Features] = Features,
) -> NullOutcome:
    """Return one session's claims on the `index`-th null market; kinds rotate N1..N5.

    `make_features` lets a benchmark put a fault into what the miner reads.
    """
    kind = NULL_MARKETS[index % len(NULL_MARKETS)]
    features = make_features(synthetic_bars(kind, N_BARS, index, seed))
    n_tested, n_candidates, confirmed = _session(features, options)
    return NullOutcome(kind, n_tested, n_candidates, len(confirmed))


def run_planted(
    index: int,
    seed: int = SEED,
    options: MiningOptions | None = None,
    *,
    effect: float = 0.45,
    make_features: Callable[[Bars], Features] = Features,
) -> PlantedOutcome:
    """Return what one session recovers of ten words planted with `effect` volatility units each."""
    market = planted_words_market(N_BARS, index, seed, effect=effect)
    features = make_features(market.bars)
    _, n_candidates, confirmed = _session(features, options)
    claimed = {(pattern.word, pattern.direction) for pattern in confirmed}
    planted = {(word.word, word.direction) for word in market.words}
    false = {
        pattern.word
        for pattern in confirmed
        if (pattern.word, pattern.direction) not in planted
        and _true_effect(market, pattern, features) < effect / 10
    }
    return PlantedOutcome(
        n_planted=len(market.words),
        n_candidates=n_candidates,
        n_confirmed=len(confirmed),
        n_words_confirmed=len({word for word, _ in claimed}),
        n_words_recovered=len(claimed & planted),
        n_words_false=len(false),
    )


def _true_effect(market: PlantedMarket, pattern: Pattern, features: Features) -> float:
    """Return the planted drift over the pattern's later sightings, in volatility units, its way."""
    seen = find_sightings(market.bars, pattern, LATER, features=features)
    path = np.concatenate(([0.0], np.cumsum(market.drift)))
    bars = seen.decision_bar[seen.is_known]
    # An open is the close before: the trade earns the returns of the horizon bars after its decision.
    drift = path[bars + 1 + pattern.horizon] - path[bars + 1]
    scale = features.state.volatility[bars] * np.sqrt(pattern.horizon)
    return float(pattern.direction * (drift / scale).mean())


def _session(features: Features, options: MiningOptions | None) -> tuple[int, int, list[Pattern]]:
    bars = features.bars
    result = mine(bars, Segments(slice(0, SEARCH_BARS)), options, features=features)
    confirmations = confirm(result.found, bars, LATER, options, features=features)
    return result.candidates_tested, len(result.found), confirmed_patterns(confirmations)
