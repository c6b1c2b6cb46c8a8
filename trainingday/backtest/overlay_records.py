"""Overlays as JSON and back, so that a signed manifest can carry them; several apply in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from trainingday.backtest.engine import Costs
from trainingday.backtest.overlays import DrawdownStop, Overlay, StopLoss, VolatilityTarget
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray, JSONDict

MAX_OVERLAYS = 4
Known = VolatilityTarget | DrawdownStop | StopLoss
_KINDS: Final[dict[str, type[Known]]] = {
    "volatility_target": VolatilityTarget,
    "drawdown_stop": DrawdownStop,
    "stop_loss": StopLoss,
}


def to_record(overlay: Known) -> JSONDict:
    """Return an overlay as a JSON object that `from_record` reads back."""
    name = next(name for name, kind in _KINDS.items() if type(overlay) is kind)
    return {"name": name, **asdict(overlay)}


def from_record(record: Mapping[str, Any]) -> Known:
    """Return the overlay that a record describes.

    Raises
    ------
    InvalidArgument
        If it is no object, the name is unknown, a setting is missing, unknown or no number, or out of bounds.
    """
    if not isinstance(record, Mapping) or str(record.get("name")) not in _KINDS:
        raise InvalidArgument(f"an overlay should be named one of {sorted(_KINDS)}, is {record!r}")
    kind = _KINDS[record["name"]]
    expected = {field.name for field in fields(kind)}
    given = {name: value for name, value in record.items() if name != "name"}
    if set(given) != expected:
        raise InvalidArgument(f"{record['name']} should set {sorted(expected)}, sets {sorted(given)}")
    if "costs" in given:
        given["costs"] = _costs(given["costs"])
    numbers = [value for name, value in given.items() if name != "costs"]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in numbers):
        raise InvalidArgument(f"{record['name']} should hold numbers, holds {numbers}")
    return kind(**given)


def from_records(records: Any) -> tuple[Known, ...]:
    """Return overlays in the order in which they apply; raises as `from_record`, or over 4 of them."""
    if not isinstance(records, list) or len(records) > MAX_OVERLAYS:
        raise InvalidArgument(f"overlays should be a list of at most {MAX_OVERLAYS}, is {records!r}")
    return tuple(from_record(record) for record in records)


def apply_overlays(overlays: Sequence[Overlay], bars: Bars, positions: FloatArray) -> FloatArray:
    """Return positions after every overlay in turn, shape (n_bars,)."""
    for overlay in overlays:
        positions = overlay.apply(bars, positions)
    return positions


def _costs(value: Any) -> Costs:
    if not isinstance(value, Mapping) or set(value) != {"fee", "slippage"}:
        raise InvalidArgument(f"costs should hold fee and slippage, are {value!r}")
    return Costs(value["fee"], value["slippage"])
