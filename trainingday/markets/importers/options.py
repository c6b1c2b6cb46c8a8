"""What an import may be told, what it found out by itself, and how much it will read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from trainingday.exceptions import InvalidArgument
from trainingday.markets.quality import Finding
from trainingday.typing import JSONDict

ROLES = ("time", "date", "clock", "open", "high", "low", "close", "volume", "quote_volume", "ignore")


@dataclass(frozen=True)
class ImportLimits:
    """How much an import reads before it refuses; sizes after decompression, whatever a header declares."""

    max_bytes: int = 256 * 1024 * 1024
    max_rows: int = 5_000_000
    max_columns: int = 64
    max_cells: int = 40_000_000
    max_line: int = 131_072


@dataclass(frozen=True)
class Expected:
    """What a saved profile says of a file: the profile's name, and `layout_of` the file it was saved from."""

    profile: str
    layout: Mapping[str, Any]


@dataclass(frozen=True)
class ImportOptions:
    """Corrections to what is detected; None leaves it to detection.

    Attributes
    ----------
    columns : mapping of column name (or number from 1) to role
        Roles: time, date, clock, open, high, low, close, volume, quote_volume, ignore.
    delimiter, has_header, day_first
        Layout of a text table; `day_first` reads 03/04/2024 as 3 April.
    decimal : {".", ","} or None
        The decimal mark; None recognises a comma where it can only be one.
    time_unit : {"s", "ms", "us", "ns"} or None
        Unit of every epoch number; None takes each by its size.
    zone : str or None
        IANA name for stamps that carry no offset, such as "America/New_York".
    stamp : {"open", "close"}
        Which end of the bar its stamp names; "close" moves each stamp back by one interval.
    on_date : date or None
        The day of a file whose stamps count from midnight.
    interval : int or None
        Seconds that the bars should have; another interval in the file is refused.
    keep : {"first", "last"} or None
        Which of two different bars with one stamp stays, in file order; None refuses the file.
    quarantine : bool
        Set bad rows aside (at most 5 % of them) instead of refusing the file.
    volume_unit : {"base", "quote"} or None
        Unit of a single volume column; quote volume is divided by the bar's mean price.
    prices : {"raw", "adjusted"} or None
        Which prices to take where a file has both.
    price_scale : float or None
        Stored prices per unit of currency: 10,000 for Lean equities.
    group : str or None
        Which "NAME:open" … "NAME:volume" columns of a wide file to take.
    expected : Expected or None
        What a saved profile says of the file; one that differs is refused.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    has_header: bool | None = None
    day_first: bool | None = None
    decimal: Literal[".", ","] | None = None
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    zone: str | None = None
    stamp: Literal["open", "close"] = "open"
    on_date: date | None = None
    interval: int | None = None
    keep: Literal["first", "last"] | None = None
    quarantine: bool = False
    volume_unit: Literal["base", "quote"] | None = None
    prices: Literal["raw", "adjusted"] | None = None
    price_scale: float | None = None
    group: str | None = None
    expected: Expected | None = None

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> ImportOptions:
        """Return the options of a form, an API request or a command line; empty fields stay undecided.

        Field names are the attributes', except `columns` ("name=role" texts), `day_order`
        ("day_first" | "month_first"), `header` ("yes" | "no"), `decimal` ("point" | "comma") and the
        delimiter "tab".
        """
        chosen = {name: value for name, value in fields.items() if value not in (None, "", [], ())}
        pairs = [text.rpartition("=") for text in chosen.pop("columns", ())]
        day_order, header = chosen.pop("day_order", None), chosen.pop("header", None)
        if "decimal" in chosen:
            chosen["decimal"] = {"point": ".", "comma": ","}.get(chosen["decimal"], chosen["decimal"])
        if chosen.get("delimiter") == "tab":
            chosen["delimiter"] = "\t"
        known = {name: chosen[name] for name in cls.__dataclass_fields__ if name in chosen}
        if day_order is not None:
            known["day_first"] = day_order == "day_first"
        if header is not None:
            known["has_header"] = header == "yes"
        return cls(columns={name.strip(): role.strip() for name, _, role in pairs}, **known)

    def __post_init__(self) -> None:
        for name, role in self.columns.items():
            if role not in ROLES:
                raise InvalidArgument(
                    f"role of column {name!r} should be one of {', '.join(ROLES)}, is {role!r}"
                )
        for name, allowed in (
            ("stamp", ("open", "close")),
            ("keep", (None, "first", "last")),
            ("volume_unit", (None, "base", "quote")),
            ("prices", (None, "raw", "adjusted")),
            ("delimiter", (None, ",", ";", "\t", "|")),
            ("decimal", (None, ".", ",")),
            ("time_unit", (None, "s", "ms", "us", "ns")),
        ):
            if getattr(self, name) not in allowed:
                raise InvalidArgument(f"{name} should be one of {allowed}, is {getattr(self, name)!r}")
        if self.price_scale is not None and not 1e-9 <= self.price_scale <= 1e9:
            raise InvalidArgument(f"price_scale should be 1e-9..1e9, is {self.price_scale}")


@dataclass(frozen=True)
class Detected:
    """How a file was read, in the words of the preview; `columns` maps each role to the file's own name."""

    kind: str
    columns: Mapping[str, str]
    has_header: bool
    delimiter: str | None
    decimal: str
    time_format: str
    time_unit: str | None
    zone: str
    stamp: str
    order: str
    interval: int
    volume_unit: str
    adjusted: str
    n_rows: int
    warnings: tuple[Finding, ...]

    def as_dict(self) -> JSONDict:
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "warnings"}
        return {
            **shown,
            "columns": dict(self.columns),
            "warnings": [item.as_dict() for item in self.warnings],
        }
