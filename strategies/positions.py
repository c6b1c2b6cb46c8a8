"""Target positions of any strategy: a family, a trained model, a frozen pattern set, an ensemble of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial

from django.db import transaction
from django.utils import timezone

from patterns.services import freeze_confirmed_set, load_set, positions_of_set
from strategies.ensembles import ENSEMBLE, Member, ensemble_positions, freeze_members
from strategies.library.registry import get_family
from strategies.models import Strategy
from strategies.walks import Walks
from trainingday.artifacts import canonical_json
from trainingday.bars import Bars
from trainingday.bulk import database_time, insert_rows
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market
from trainingday.typing import FloatArray

MODEL_FAMILY = "ml_model"
PATTERN_FAMILY = "pattern"
RANDOM_CONTROL = "random"
CONTROLS = ("buy_and_hold", "flat", RANDOM_CONTROL)
WITH_ARTIFACT = (MODEL_FAMILY, PATTERN_FAMILY, ENSEMBLE.name)
COLUMNS = ("market_id", "family", "parameters", "artifact", "fingerprint", "created_at")
ANY_LENGTH = 2**31  # a strategy is stored for every length of history


def positions_of(strategy: Strategy, bars: Bars, walks: Walks | None = None) -> FloatArray:
    """Return target positions in [-1, 1], shape (n_bars,), each decided from bars up to its own.

    With `walks`, models go on from the paths that it knows and leave theirs in it.

    Raises
    ------
    NotFound
        If the family is not registered.
    NotEnoughBars
        If a window of the strategy is not shorter than the bars.
    ArtifactRejected
        If the file of a model or of an ensemble is not as it was signed, or the pattern set not as it was
        frozen.
    """
    return positions_by(strategy.family, strategy.parameters, strategy.artifact, bars, walks)


def positions_by(
    family: str,
    parameters: Mapping[str, float],
    artifact: str,
    bars: Bars,
    walks: Walks | None = None,
) -> FloatArray:
    """Return `positions_of` the strategy that has these parts, whether or not it is stored."""
    if family == MODEL_FAMILY:
        return (walks or Walks()).model_positions(artifact, bars)
    if family == PATTERN_FAMILY:
        return positions_of_set(load_set(artifact), bars)
    if family == ENSEMBLE.name:
        return ensemble_positions(artifact, parameters, bars, partial(positions_by, walks=walks))
    if family == RANDOM_CONTROL:
        raise InvalidArgument("a random control has positions only beside the winner that it was drawn from")
    return get_family(family).positions(bars, parameters)


def pattern_strategy(market: Market) -> Strategy:
    """Return the strategy that trades the market's confirmed patterns as they are now.

    Its patterns were confirmed on validation, so a validation score flatters it: only the sealed exam and
    bars that came later say what it is worth.

    Raises
    ------
    StateConflict
        If the market has no confirmed pattern.
    """
    _, sha256 = freeze_confirmed_set(market)
    return get_or_create_strategy(market, PATTERN_FAMILY, {}, sha256)


def ensemble_strategy(market: Market, members: Sequence[Strategy], agreement: float = 0.0) -> Strategy:
    """Return the strategy that holds the mean position of these members; they are frozen in its file.

    Raises
    ------
    InvalidArgument
        If there are not 2 to 25 members, one is an ensemble itself, or agreement is not 0..1.
    """
    parameters = {"n_members": float(len(members)), "agreement": agreement}
    values = ENSEMBLE.validate(parameters, ANY_LENGTH)
    artifact = freeze_members([Member.of(member) for member in members])
    return get_or_create_strategy(market, ENSEMBLE.name, values, artifact)


def fingerprint(family: str, parameters: Mapping[str, float], artifact: str = "") -> str:
    """Return the sha256 of what makes a strategy: family, parameters and artefact."""
    values = {name: float(value) for name, value in parameters.items()}
    content = canonical_json({"family": family, "parameters": values, "artifact": artifact})
    return hashlib.sha256(content).hexdigest()


def get_or_create_strategy(
    market: Market, family: str, parameters: Mapping[str, float], artifact: str = ""
) -> Strategy:
    """Return the market's strategy of these parameters, defaults filled in; there is one row for each.

    Raises
    ------
    InvalidArgument
        If a parameter is unknown or out of bounds, or a model has no artefact.
    NotFound
        If the family is not registered.
    """
    values = _checked(family, parameters, artifact)
    strategy, _ = Strategy.objects.get_or_create(
        market=market,
        fingerprint=fingerprint(family, values, artifact),
        defaults={"family": family, "parameters": values, "artifact": artifact},
    )
    return strategy


def get_or_create_strategies(
    market: Market, wanted: Sequence[tuple[str, Mapping[str, float], str]]
) -> list[Strategy]:
    """Return strategies for (family, parameters, artefact), unchecked, in a few queries however many."""
    keys = strategy_keys(market, wanted)
    rows = Strategy.objects.in_bulk(set(keys))
    return [rows[key] for key in keys]


def strategy_keys(market: Market, wanted: Sequence[tuple[str, Mapping[str, float], str]]) -> list[int]:
    """Return the primary keys of `get_or_create_strategies`, in a fraction of the time."""
    prints = [fingerprint(*parts) for parts in wanted]
    known = _keys(market, set(prints))
    new = {
        name: (market.pk, family, json.dumps(dict(parameters)), artifact, name)
        for name, (family, parameters, artifact) in zip(prints, wanted, strict=True)
        if name not in known
    }
    if new:
        now = database_time(timezone.now())
        with transaction.atomic():
            insert_rows(Strategy, COLUMNS, ((*row, now) for row in new.values()), keep_known=True)
        known |= _keys(market, set(new))
    return [known[name] for name in prints]


def _keys(market: Market, prints: set[str]) -> dict[str, int]:
    rows = Strategy.objects.filter(market=market, fingerprint__in=prints)
    return dict(rows.order_by().values_list("fingerprint", "pk"))


def _checked(family: str, parameters: Mapping[str, float], artifact: str) -> dict[str, float]:
    if bool(artifact) != (family in WITH_ARTIFACT):
        raise InvalidArgument(
            f"{family} should have {'an' if not artifact else 'no'} artefact: {', '.join(WITH_ARTIFACT)} have"
        )
    if family in (MODEL_FAMILY, PATTERN_FAMILY):
        if parameters:
            raise InvalidArgument(f"{family} should have no parameters, has {sorted(parameters)}")
        return {}
    return get_family(family).validate(parameters, ANY_LENGTH)
