"""The families by name; settings add a user's own by dotted path."""

from __future__ import annotations

from importlib import import_module

from strategies.library.base import Family
from strategies.library.bollinger import Bollinger
from strategies.library.breakout import Breakout
from strategies.library.buy_and_hold import BuyAndHold
from strategies.library.donchian import Donchian
from strategies.library.ensemble import Ensemble
from strategies.library.filtered_trend import FilteredTrend
from strategies.library.flat import Flat
from strategies.library.macd import Macd
from strategies.library.mean_reversion import MeanReversion
from strategies.library.momentum import Momentum
from strategies.library.moving_average_cross import MovingAverageCross
from strategies.library.rsi import RelativeStrength
from trainingday.exceptions import InvalidArgument, NotFound

BUILT_IN: tuple[type[Family], ...] = (
    Momentum,
    MeanReversion,
    Breakout,
    MovingAverageCross,
    RelativeStrength,
    Macd,
    Donchian,
    Bollinger,
    FilteredTrend,
    BuyAndHold,
    Flat,
    Ensemble,
)

_families: dict[str, Family] = {family.name: family() for family in BUILT_IN}


def families() -> dict[str, Family]:
    """Return the registered families that trade by bars and parameters alone, in order of registration."""
    return {name: family for name, family in _families.items() if family.is_standalone}


def get_family(name: str) -> Family:
    """Return the family of that name, or raise NotFound."""
    try:
        return _families[name]
    except KeyError:
        raise NotFound(f"family should be one of {sorted(_families)}, is {name!r}") from None


def register(family: Family) -> None:
    """Add a family; the same class may be added again, another class of the same name may not."""
    known = _families.get(family.name)
    if known is not None and type(known) is not type(family):
        raise InvalidArgument(f"family name should be unused, {family.name!r} is {type(known).__qualname__}")
    _families[family.name] = family


def register_path(dotted_path: str) -> Family:
    """Import `package.module.Class`, register one instance and return it.

    Raises
    ------
    InvalidArgument
        If the path cannot be imported or is no Family.
    """
    module_name, _, class_name = dotted_path.rpartition(".")
    try:
        found = getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidArgument(f"family should be an importable class, is {dotted_path!r}") from error
    if not (isinstance(found, type) and issubclass(found, Family)):
        raise InvalidArgument(f"family should be a subclass of Family, is {dotted_path!r}")
    family = found()
    register(family)
    return family
