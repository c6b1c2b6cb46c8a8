"""Starts pattern scans, retires patterns, and freezes what is confirmed into a set that can be traded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from patterns import queries
from patterns.discovery.pattern import Pattern as Definition
from patterns.discovery.positions import pattern_positions
from patterns.models import Pattern, PatternScan, PatternSet
from patterns.options import ScanChoices, scan_configuration
from trainingday.access.reasons import checked_text
from trainingday.artifacts import canonical_json
from trainingday.bars import Bars
from trainingday.exceptions import ArtifactRejected, InvalidArgument, StateConflict
from trainingday.markets.models import Market
from trainingday.markets.queries import query_latest_dataset
from trainingday.markets.splits import plan_split
from trainingday.permissions import may_operate
from trainingday.runs.models import Run, TrainingSchedule, Trigger
from trainingday.runs.services import new_seed, request_run
from trainingday.typing import FloatArray, JSONDict

MAX_SEED = 2**32 - 1
SET_FORMAT = "trainingday-patterns-1"


def request_scan(
    market: Market,
    *,
    trigger: Trigger,
    user: User | None = None,
    seed: int | None = None,
    choices: ScanChoices | None = None,
    idempotency_key: str = "",
) -> PatternScan:
    """Queue a scan of the market's newest dataset.

    A scan draws nothing at random; its seed is recorded as every run's is.

    Raises
    ------
    NotFound
        If the market has no dataset.
    NotEnoughBars
        If the dataset is too short to split.
    InvalidArgument
        If the seed or a choice is out of range.
    StateConflict
        If a scan of the market is active.
    """
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise InvalidArgument(f"seed should be 0..{MAX_SEED}, is {seed}")
    dataset = query_latest_dataset(market)
    plan_split(dataset.n_rows, np.arange(dataset.n_rows))
    scan = PatternScan(
        market=market,
        dataset=dataset,
        trigger=trigger,
        requested_by=user,
        seed=new_seed() if seed is None else seed,
        configuration=scan_configuration(market, choices),
        idempotency_key=idempotency_key,
    )
    return request_run(scan)


def start_scheduled_scan(schedule: TrainingSchedule, trigger: Trigger, user: User | None) -> Run:
    return request_scan(schedule.market, trigger=trigger, user=user)


def retire_pattern(pattern: Pattern, *, reason: str, user: User) -> Pattern:
    """Retire a pattern by hand: it stays known and followed, but enters no set any more.

    Raises
    ------
    PermissionDenied
        If the user is neither operator nor admin.
    InvalidArgument
        If the reason is no 3..500 characters.
    StateConflict
        If the pattern is retired already.
    """
    if not may_operate(user):
        raise PermissionDenied("only an operator may retire a pattern by hand")
    text = checked_text(reason)
    with transaction.atomic():
        row = Pattern.objects.select_for_update().get(pk=pattern.pk)
        if row.state == Pattern.State.RETIRED:
            raise StateConflict(f"{row.key} is retired already: {row.state_reason}")
        row.state = Pattern.State.RETIRED
        row.state_reason = f"Retired by {user.get_username()}: {text}"
        row.retired_at, row.retired_until_us = timezone.now(), None
        row.save(update_fields=["state", "state_reason", "retired_at", "retired_until_us", "updated_at"])
    return row


def freeze_confirmed_set(market: Market) -> tuple[JSONDict, str]:
    """Store the market's confirmed patterns as a set; return its definition and its sha256.

    The same patterns give the same set. What was retired on bars that have become the sealed test
    window since then still belongs to it: leaving it out would choose by test.

    Raises
    ------
    StateConflict
        If the market has no confirmed pattern.
    """
    rows = queries.query_tradable_patterns(market)
    if not rows:
        raise StateConflict(f"{market.slug} has no confirmed pattern: nothing can be traded")
    return freeze_patterns(market, [row.definition for row in rows], max(row.judged_from_us for row in rows))


def freeze_patterns(
    market: Market, definitions: Sequence[JSONDict], seen_until_us: int
) -> tuple[JSONDict, str]:
    """Store patterns as a set; return its definition and its sha256.

    Parameters
    ----------
    definitions : as `discovery.pattern.Pattern.as_dict` wrote them.
    seen_until_us : the set was chosen on bars before this one: a score on them flatters it.
    """
    definition: JSONDict = {
        "format": SET_FORMAT,
        "patterns": sorted(definitions, key=lambda each: str(each["id"])),
        "seen_until_us": seen_until_us,
    }
    sha256 = set_fingerprint(definition)
    PatternSet.objects.get_or_create(sha256=sha256, defaults={"market": market, "definition": definition})
    return definition, sha256


def set_fingerprint(definition: JSONDict) -> str:
    """Return the sha256 that names a set."""
    return hashlib.sha256(canonical_json(definition)).hexdigest()


def load_sets(names: Sequence[str]) -> list[JSONDict]:
    """Return the definitions of frozen sets, in one query.

    Raises
    ------
    NotFound
        If there is no such set.
    ArtifactRejected
        If a definition is no longer what its name says.
    """
    definitions: list[JSONDict] = []
    for row in queries.query_sets(names):
        if set_fingerprint(row.definition) != row.sha256:
            raise ArtifactRejected(f"pattern set {row.sha256[:12]} is not what was frozen under this name")
        definitions.append(row.definition)
    return definitions


def load_set(sha256: str) -> JSONDict:
    """Return `load_sets` of one."""
    [definition] = load_sets([sha256])
    return definition


def positions_of_set(definition: JSONDict, bars: Bars) -> FloatArray:
    """Return the target positions of a frozen set, shape (n_bars,), each decided from bars up to its own.

    Raises
    ------
    InvalidArgument
        If the definition has another format.
    """
    if definition.get("format") != SET_FORMAT:
        raise InvalidArgument(f"format should be {SET_FORMAT}, is {definition.get('format')}")
    return pattern_positions(bars, [Definition.from_dict(each) for each in definition["patterns"]])
