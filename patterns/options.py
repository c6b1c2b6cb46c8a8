"""What a person may choose of a scan, and the mining options that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patterns.discovery.options import MiningOptions
from patterns.discovery.pattern import REGIMES
from patterns.models import PatternScan
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market
from trainingday.markets.splits import LONGEST_HORIZON, LONGEST_LOOKBACK
from trainingday.typing import JSONDict

DEFAULT_WINDOWS = (50,)
DEFAULT_HORIZONS = MiningOptions().horizons
DEFAULT_REGIMES = MiningOptions().regimes
DEFAULT_CONDITIONS = MiningOptions().max_conditions
MAX_CONDITIONS = 2
MAX_WINDOWS = 4
MAX_HORIZONS = 8
MAX_THRESHOLD = 1.0


@dataclass(frozen=True)
class ScanChoices:
    """What a person may choose of a scan.

    Attributes
    ----------
    windows : 1..4 lengths of shapes, each a multiple of 5 in 10..128 bars.
    horizons : 1..8 lengths of trades, each 1..50 bars.
    regimes : of volatility, volume, trend and place, what a candidate may ask for beside its word.
    max_conditions : how many of them at once, 0..2.
    success_threshold : return after costs above which a sighting succeeds, fraction in 0..1.
    """

    windows: Sequence[int] = DEFAULT_WINDOWS
    horizons: Sequence[int] = DEFAULT_HORIZONS
    regimes: Sequence[str] = DEFAULT_REGIMES
    max_conditions: int = DEFAULT_CONDITIONS
    success_threshold: float = 0.0


def scan_configuration(market: Market, choices: ScanChoices | None = None) -> JSONDict:
    """Return the checked choices with the market's costs of now, for the scan's row.

    Raises
    ------
    InvalidArgument
        If a choice is out of range or listed twice.
    """
    chosen = choices or ScanChoices()
    for name, values, most, longest in (
        ("windows", chosen.windows, MAX_WINDOWS, LONGEST_LOOKBACK),
        ("horizons", chosen.horizons, MAX_HORIZONS, LONGEST_HORIZON),
    ):
        if not 1 <= len(values) <= most:
            raise InvalidArgument(f"{name} should hold 1..{most} lengths, holds {len(values)}")
        if max(values) > longest:
            raise InvalidArgument(f"{name} should be <= {longest} bars, hold {max(values)}")
    unknown = sorted(set(chosen.regimes) - set(REGIMES))
    if unknown or len(set(chosen.regimes)) != len(chosen.regimes):
        raise InvalidArgument(
            f"regimes should be distinct, of {', '.join(REGIMES)}, are {list(chosen.regimes)}"
        )
    if not 0 <= chosen.max_conditions <= MAX_CONDITIONS:
        raise InvalidArgument(f"max_conditions should be 0..{MAX_CONDITIONS}, is {chosen.max_conditions}")
    if not 0 <= chosen.success_threshold <= MAX_THRESHOLD:
        raise InvalidArgument(
            f"success_threshold should be 0..{MAX_THRESHOLD:g}, is {chosen.success_threshold}"
        )
    configuration = {
        "windows": list(chosen.windows),
        "horizons": list(chosen.horizons),
        "regimes": [name for name in REGIMES if name in chosen.regimes],
        "max_conditions": chosen.max_conditions,
        "success_threshold": chosen.success_threshold,
        "cost_per_side": market.fee + market.slippage,
    }
    mining_options(configuration)
    return configuration


def scan_options(scan: PatternScan) -> MiningOptions:
    """Return the options of a scan; a session's scan has no configuration and takes the defaults."""
    return mining_options(scan.configuration or scan_configuration(scan.market))


def mining_options(configuration: JSONDict) -> MiningOptions:
    """Return the options that a configuration describes."""
    return MiningOptions(
        windows=tuple(configuration["windows"]),
        horizons=tuple(configuration["horizons"]),
        regimes=tuple(configuration["regimes"]),
        max_conditions=configuration["max_conditions"],
        success_threshold=configuration["success_threshold"],
        cost_per_side=configuration["cost_per_side"],
    )
