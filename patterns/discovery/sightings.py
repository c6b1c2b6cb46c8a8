"""Sightings: each time a pattern was seen, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from patterns.discovery.features import Features
from patterns.discovery.options import MiningOptions, bounds_of
from patterns.discovery.outcomes import BaseRate, forward_log_returns, scaled_outcomes, thin_mask
from patterns.discovery.pattern import Pattern
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Sightings:
    """Occurrences of one pattern, at least one horizon apart, in time order.

    Attributes
    ----------
    decision_bar, entry_bar, exit_bar : ndarray of shape (n,), int64
        Seen at the decision bar's close; entered at the open of the next, left at the exit bar's.
    is_known : ndarray of shape (n,), bool
        Whether the outcome exists yet: the exit bar is there and no bars are missing on the way.
    is_pending : ndarray of shape (n,), bool
        Whether the exit bar is still to come. Neither known nor pending: bars are missing.
    forward_log_return : ndarray of shape (n,), of the price, not of the position; NaN if not known.
    scaled_outcome : ndarray of shape (n,), the same over volatility x sqrt(horizon) at the decision.
    net_return : ndarray of shape (n,), of the position after costs, fraction; NaN if not known.
    is_success : ndarray of shape (n,), bool: net_return above the threshold; False if not known.
    """

    decision_bar: IntArray
    entry_bar: IntArray
    exit_bar: IntArray
    is_known: BoolArray
    is_pending: BoolArray
    forward_log_return: FloatArray
    scaled_outcome: FloatArray
    net_return: FloatArray
    is_success: BoolArray

    def __len__(self) -> int:
        return int(self.decision_bar.shape[0])


def find_sightings(
    bars: Bars,
    pattern: Pattern,
    segment: slice | None = None,
    options: MiningOptions | None = None,
    *,
    last_kept: int | None = None,
    features: Features | None = None,
) -> Sightings:
    """Return the sightings of `pattern` whose decision bar lies in `segment`.

    Outcomes are known only if the exit bar lies in the segment too: nothing after it is read.

    Parameters
    ----------
    segment : slice of the bars, default all.
    last_kept : decision bar of the last sighting recorded before, for bars that arrive in parts.
    features : `Features(bars)`, to share work between patterns.

    Raises
    ------
    InvalidArgument
        If the segment holds no bar, or `features` are of other bars.
    """
    options = options or MiningOptions()
    features = features_of(bars, features)
    start, stop = bounds_of(segment or slice(None), len(bars))
    is_seen = features.occurrences(pattern, slice(start, stop))
    previous = None if last_kept is None else last_kept - start
    kept = start + thin_mask(is_seen, pattern.horizon, previous)
    forward = _outcomes_at(features, kept, stop, pattern.horizon)
    scaled = scaled_outcomes(forward, features.state.volatility[kept], pattern.horizon)
    net = net_returns(forward, pattern.direction, options.cost_per_side)
    exit_bar = kept + 1 + pattern.horizon
    with np.errstate(invalid="ignore"):
        is_success = net > options.success_threshold
    return Sightings(
        kept, kept + 1, exit_bar, np.isfinite(forward), exit_bar >= stop, forward, scaled, net,
        is_success,
    )  # fmt: skip


def base_rate(
    bars: Bars,
    segment: slice,
    horizon: int,
    direction: int,
    options: MiningOptions | None = None,
    *,
    features: Features | None = None,
) -> BaseRate:
    """Return what a trade of this horizon and direction did from every bar of the segment."""
    options = options or MiningOptions()
    features = features_of(bars, features)
    start, stop = bounds_of(segment, len(bars))
    key = (start, stop, horizon, direction, options.cost_per_side, options.success_threshold)
    if key not in features.base_rates:
        features.base_rates[key] = _count_base(features, start, stop, horizon, direction, options)
    return features.base_rates[key]


def _count_base(
    features: Features, start: int, stop: int, horizon: int, direction: int, options: MiningOptions
) -> BaseRate:
    forward = forward_log_returns(features.bars[start:stop], horizon)
    volatility = features.state.volatility[start:stop]
    known = np.isfinite(forward) & np.isfinite(volatility)
    if not known.any():
        return BaseRate(0, None, None, None)
    forward = forward[known]
    net = net_returns(forward, direction, options.cost_per_side)
    return BaseRate(
        int(known.sum()),
        float((net > options.success_threshold).mean()),
        float(scaled_outcomes(forward, volatility[known], horizon).mean()),
        float(net.mean()),
    )


def net_returns(forward: FloatArray, direction: int, cost_per_side: float) -> FloatArray:
    """Return the simple return of a position of 1 or -1 after two fills, same shape as `forward`."""
    result: FloatArray = direction * np.expm1(forward) - 2 * cost_per_side
    return result


def _outcomes_at(features: Features, decision_bar: IntArray, stop: int, horizon: int) -> FloatArray:
    """Return the forward log return from each decision bar; NaN if it ends at `stop` or crosses a gap."""
    exit_bar = np.minimum(decision_bar + 1 + horizon, stop - 1)
    forward = features.log_open[exit_bar] - features.log_open[np.minimum(decision_bar + 1, stop - 1)]
    is_broken = features.n_gaps[exit_bar] != features.n_gaps[decision_bar]
    forward[is_broken | (decision_bar + 1 + horizon >= stop)] = np.nan
    return forward


def features_of(bars: Bars, features: Features | None) -> Features:
    """Return the given features, or new ones; refuse those of other bars."""
    if features is None:
        return Features(bars)
    if features.bars is not bars:
        raise InvalidArgument("features should be of the same bars, are of others")
    return features
