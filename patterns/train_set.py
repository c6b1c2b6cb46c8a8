"""A set of patterns found and confirmed inside train, so that a score on validation does not flatter it."""

from __future__ import annotations

from patterns import services
from patterns.discovery.confirm import confirm, confirmed_patterns
from patterns.discovery.features import Features
from patterns.discovery.mining import mine
from patterns.discovery.options import MiningOptions, Progress, Segments
from patterns.discovery.pattern import Pattern
from patterns.options import mining_options, scan_configuration
from trainingday.bars import Bars
from trainingday.markets.models import Market

CONFIRMING_SHARE = 0.2


def patterns_within(
    bars: Bars, train: slice, gap: int, options: MiningOptions, progress: Progress | None = None
) -> list[Pattern]:
    """Return the patterns mined on the first 80 % of train and confirmed on the rest of it.

    Parameters
    ----------
    train : slice of `bars`; nothing after it is read.
    gap : bars left out between the two, at least the longest lookback and horizon.
    progress : called with the share done in [0, 1] and the stage; may raise to cancel.

    Returns
    -------
    list of Pattern
        Empty where nothing is confirmed, or train is too short to be cut.
    """
    known = bars[: train.stop]
    start, stop, _ = train.indices(len(known))
    cut = stop - round(CONFIRMING_SHARE * (stop - start))
    if cut - gap <= start:
        return []
    features = Features(known)
    found = mine(known, Segments(slice(start, cut - gap)), options, progress, features=features).found
    return confirmed_patterns(confirm(found, known, slice(cut, stop), options, progress, features=features))


def freeze_train_set(
    market: Market, bars: Bars, train: slice, gap: int, progress: Progress | None = None
) -> str:
    """Return the sha256 of the frozen set of `patterns_within` train, "" where it holds none."""
    options = mining_options(scan_configuration(market))
    patterns = patterns_within(bars, train, gap, options, progress)
    if not patterns:
        return ""
    seen_until_us = int(bars.timestamps[: train.stop][-1]) + 1
    return services.freeze_patterns(market, [each.as_dict() for each in patterns], seen_until_us)[1]
