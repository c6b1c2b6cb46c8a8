"""Every crash point of every service, with every fault: what is left is whole, and ends as if undisturbed."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.crashes.doors import Fault, Point, record, strike
from tests.crashes.scenarios import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
# In CI each (scenario, fault, database) takes every STRIDE-th point, each from another start; `CRASH_POINTS=all`
# takes them all.
STRIDE = 1 if os.environ.get("CRASH_POINTS") == "all" else 6
ORDER = list(itertools.product(SCENARIOS, Fault))


def undisturbed(name: str, make: Any) -> tuple[list[Point], dict[str, Any]]:
    scenario = make(name)
    points = record(scenario.act)
    scenario.check_no_orphan()
    return points, scenario.facts()


def places(points: list[Point], fault: Fault) -> list[int]:
    """Return the numbers of the points where a fault may strike, as `strike` counts them."""
    of_database = [place for place, point in enumerate(points) if point.door in ("commit", "statement")]
    if fault is Fault.DATABASE_ERROR:
        return of_database
    if fault is Fault.LOST_ANSWER:
        return list(range(len(of_database)))
    return list(range(len(points)))


@pytest.mark.parametrize(("name", "fault"), ORDER)
def test_a_crash_anywhere_leaves_all_whole_and_ends_as_if_undisturbed(
    name: str, fault: Fault, fresh: Any
) -> None:
    began = time.process_time()
    points, expected = undisturbed(name, fresh)
    start = (ORDER.index((name, fault)) + 3 * (connection.vendor == "postgresql")) % STRIDE
    chosen = places(points, fault)[start::STRIDE]
    for place in chosen:
        scenario = fresh(name)
        where = f"{fault} at point {place}"
        assert strike(fault, place, scenario.act), f"{where} was not reached"
        scenario.check()
        scenario.recover()
        scenario.check_no_orphan()
        found = scenario.facts()
        for key, value in expected.items():
            assert found[key] == value, f"{where}: {key}"
    tell(
        f"{name}, {fault}, {connection.vendor}: {len(chosen)} of {len(places(points, fault))} points, "
        f"{time.process_time() - began:.1f} CPU s"
    )


def tell(line: str) -> None:
    """Append a line to the file that CRASH_LOG names."""
    if path := os.environ.get("CRASH_LOG"):
        with Path(path).open("a") as file:
            file.write(f"{line}\n")
