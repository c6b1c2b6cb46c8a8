"""Which entrants a tournament breeds, frozen when it is requested so that a repeated run does the same."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from strategies.genetic.fitness import FitnessOptions
from strategies.genetic.founders import PastChampion
from strategies.genetic.genes import BreedingFamily
from strategies.library.registry import families, get_family
from strategies.models import Champion, Strategy, Tournament
from strategies.positions import CONTROLS, MODEL_FAMILY
from strategies.scoring import ModelEntrant
from strategies.store import trained_until
from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.markets.models import Market
from trainingday.typing import JSONDict

MAX_GENERATIONS = 200
POPULATION_RANGE = (4, 2000)
SESSION_FAMILIES = ("momentum", "mean_reversion", "breakout", MODEL_FAMILY)
SESSION_POPULATION = 4
# The session's tournament ranks by the Sharpe ratio of all of validation: it decides nothing.
SESSION_FITNESS = FitnessOptions(n_folds=1, spread_penalty=0.0, min_trades=1)
MAX_PAST_CHAMPIONS = 20
MAX_MODELS_READ = 20


@dataclass(frozen=True)
class Plan:
    """What a tournament breeds.

    Attributes
    ----------
    families : tuple of BreedingFamily
    champions : tuple of PastChampion
        Found the first generation beside the families' defaults.
    population_size : int
    n_generations : int
        Bred after the founders.
    fitness : FitnessOptions
    """

    families: tuple[BreedingFamily, ...]
    champions: tuple[PastChampion, ...]
    population_size: int
    n_generations: int
    fitness: FitnessOptions


def check_size(n_generations: int, population_size: int) -> None:
    """Raise InvalidArgument unless a tournament of this size may run."""
    for name, value, low, high in (
        ("n_generations", n_generations, 1, MAX_GENERATIONS),
        ("population_size", population_size, *POPULATION_RANGE),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidArgument(f"{name} should be a whole number {low}..{high}, is {value!r}")


def standalone_configuration(market: Market, population_size: int, validation_start_us: int) -> JSONDict:
    """Return the configuration of a tournament over every family that can win, the model included.

    A population too small for a default of each family takes the first ones.
    """
    artifact = honest_model(market, validation_start_us)
    bred = [name for name in families() if name not in CONTROLS]
    names = [*bred[:3], *([MODEL_FAMILY] if artifact else []), *bred[3:]][:population_size]
    champions = Champion.objects.filter(market=market, strategy__family__in=names)
    past = champions.exclude(strategy__family=MODEL_FAMILY).order_by("-pk").values_list("strategy", flat=True)
    founders = list(dict.fromkeys(past))[:MAX_PAST_CHAMPIONS]
    return {
        "population_size": population_size,
        "families": names,
        "artifact": artifact if MODEL_FAMILY in names else "",
        "founders": founders,
    }


def session_configuration(artifact: str) -> JSONDict:
    """Return the configuration of the small tournament inside a training session."""
    names = [name for name in SESSION_FAMILIES if artifact or name != MODEL_FAMILY]
    return {
        "population_size": SESSION_POPULATION,
        "families": names,
        "artifact": artifact,
        "founders": [],
        "ranking": "whole_validation",
    }


def plan_of(tournament: Tournament) -> Plan:
    """Return the plan that a tournament's configuration describes."""
    configuration = tournament.configuration
    is_whole = configuration.get("ranking") == "whole_validation"
    return Plan(
        families=tuple(_entrant(name, configuration["artifact"]) for name in configuration["families"]),
        champions=tuple(_past_champions(configuration["founders"])),
        population_size=configuration["population_size"],
        n_generations=tournament.n_generations,
        fitness=SESSION_FITNESS if is_whole else FitnessOptions(),
    )


def honest_model(market: Market, validation_start_us: int) -> str:
    """Return the artefact of the newest model that was trained on bars before validation alone, else "".

    A model that was fitted again on train and validation would win every tournament on bars that it knows.
    """
    models = Strategy.objects.filter(market=market, family=MODEL_FAMILY).order_by("-pk")
    for artifact in models.values_list("artifact", flat=True)[:MAX_MODELS_READ]:
        with contextlib.suppress(ArtifactRejected):
            last_us = trained_until(artifact)
            if last_us is not None and last_us < validation_start_us:
                return artifact
    return ""


def _entrant(name: str, artifact: str) -> BreedingFamily:
    return ModelEntrant(artifact) if name == MODEL_FAMILY else get_family(name)


def _past_champions(founders: Sequence[int]) -> list[PastChampion]:
    rows = Strategy.objects.in_bulk(founders)
    return [PastChampion(rows[pk].family, rows[pk].parameters, f"strategy {pk}") for pk in founders]
