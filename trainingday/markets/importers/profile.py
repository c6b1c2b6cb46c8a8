"""Saved layouts: what a profile keeps of the options and of the file, and whether another file fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.options import Detected, Expected, ImportOptions
from trainingday.markets.intervals import interval_name
from trainingday.typing import JSONDict

# of one file only, or checked by the layout
NOT_KEPT = ("on_date", "interval", "expected")
PLAIN = ("kind", "has_header", "delimiter", "decimal", "time_format", "zone", "stamp")
# refusals that say that the file has not the columns which the profile names
OF_COLUMNS = ("columns", "column_type", "ambiguous_columns", "duplicate_column")


def kept_options(options: ImportOptions) -> JSONDict:
    """Return what a profile keeps of the options, as JSON: all that was said of the layout."""
    kept = {item.name: getattr(options, item.name) for item in fields(options) if item.name not in NOT_KEPT}
    return {**kept, "columns": dict(options.columns)}


def layout_of(detected: Detected) -> JSONDict:
    """Return what another file has to share with this one."""
    return {
        **{name: getattr(detected, name) for name in PLAIN},
        "columns": dict(detected.columns),
        "interval": detected.interval,
        "time_units": _units(detected),
        "volume_unit": _volume(detected),
    }


def with_profile(
    options: ImportOptions, name: str, kept: Mapping[str, Any], layout: Mapping[str, Any]
) -> ImportOptions:
    """Return the options with the profile's wherever they were left at their default."""
    default = ImportOptions()
    known = {item.name for item in fields(options)} - set(NOT_KEPT)
    taken = {
        field: value
        for field, value in kept.items()
        if field in known and getattr(options, field) == getattr(default, field)
    }
    return replace(options, **taken, expected=Expected(name, layout))


def check_layout(expected: Expected, detected: Detected) -> None:
    """Refuse a file that is laid out otherwise than the profile says, naming every difference."""
    layout = expected.layout
    differences = [
        _difference(name, layout.get(name), getattr(detected, name))
        for name in PLAIN
        if layout.get(name) != getattr(detected, name)
    ]
    if layout.get("interval") != detected.interval:
        want = interval_name(int(layout.get("interval", 0)))
        differences.append(_difference("interval", want, interval_name(detected.interval)))
    if not set(_units(detected)) <= set(layout.get("time_units", ())):
        want = " or ".join(layout.get("time_units", ())) or "none"
        differences.append(_difference("time unit", want, detected.time_unit))
    if layout.get("volume_unit") != _volume(detected):
        differences.append(_difference("volume unit", layout.get("volume_unit"), _volume(detected)))
    wanted, found = dict(layout.get("columns", {})), dict(detected.columns)
    differences += [
        _difference(f"column of {role}", wanted.get(role), found.get(role))
        for role in sorted(wanted.keys() | found.keys())
        if wanted.get(role) != found.get(role)
    ]
    if differences:
        raise ImportRefused("profile_mismatch", _sentence(expected.profile, "; ".join(differences)))


def as_mismatch(expected: Expected | None, refusal: ImportRefused) -> ImportRefused:
    """Return a refusal about columns as one of the profile that names them, any other as it is."""
    if expected is None or refusal.code not in OF_COLUMNS:
        return refusal
    return ImportRefused("profile_mismatch", _sentence(expected.profile, str(refusal)), row=refusal.row)


def _sentence(profile: str, differences: str) -> str:
    return f"the file does not fit the profile {profile!r}: {differences}"


def _difference(name: str, wanted: Any, found: Any) -> str:
    name = "header line" if name == "has_header" else name.replace("_", " ")
    return f"{name} should be {_shown(wanted)}, is {_shown(found)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        "none" if value is None else repr(value) if value in (",", ";", "\t", "|", ".") else str(value)[:60]
    )


def _units(detected: Detected) -> list[str]:
    return sorted((detected.time_unit or "").split("+")) if detected.time_unit else []


def _volume(detected: Detected) -> str:
    """Return base, quote or none, without how that was found."""
    return detected.volume_unit.split(" (")[0]
