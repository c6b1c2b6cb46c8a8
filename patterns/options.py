"""What a person may choose of a scan, and the mining options that follow from it."""

from __future__ import annotations

from collections.abc import Sequence

from patterns.discovery.options import MiningOptions
from patterns.models import PatternScan
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market
from trainingday.markets.splits import LONGEST_LOOKBACK
from trainingday.typing import JSONDict

DEFAULT_WINDOWS = (50,)
MAX_WINDOWS = 4
MAX_THRESHOLD = 1.0


def scan_configuration(
    market: Market, *, windows: Sequence[int] = DEFAULT_WINDOWS, success_threshold: float = 0.0
) -> JSONDict:
    """Return the checked choices with the market's costs of now, for the scan's row.

    Raises
    ------
    InvalidArgument
        If there are not 1..4 distinct windows, each a multiple of 5 in 10..128 bars, or the threshold
        is not within 0..1.
    """
    if not 1 <= len(windows) <= MAX_WINDOWS:
        raise InvalidArgument(f"windows should hold 1..{MAX_WINDOWS} lengths, holds {len(windows)}")
    if max(windows) > LONGEST_LOOKBACK:
        raise InvalidArgument(f"windows should be <= {LONGEST_LOOKBACK} bars, hold {max(windows)}")
    if not 0 <= success_threshold <= MAX_THRESHOLD:
        raise InvalidArgument(f"success_threshold should be 0..{MAX_THRESHOLD:g}, is {success_threshold}")
    cost_per_side = market.fee + market.slippage
    MiningOptions(windows=tuple(windows), success_threshold=success_threshold, cost_per_side=cost_per_side)
    return {
        "windows": list(windows),
        "success_threshold": success_threshold,
        "cost_per_side": cost_per_side,
    }


def scan_options(scan: PatternScan) -> MiningOptions:
    """Return the options of a scan; a session's scan has no configuration and takes the defaults."""
    chosen = scan.configuration or scan_configuration(scan.market)
    return MiningOptions(
        windows=tuple(chosen["windows"]),
        success_threshold=chosen["success_threshold"],
        cost_per_side=chosen["cost_per_side"],
    )
