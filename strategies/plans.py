"""Which entrants a tournament breeds, frozen when it is requested so that a repeated run does the same."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max, Q, QuerySet

from strategies.ensemble_entrants import SHAPES
from strategies.ensembles import ENSEMBLE, load_members
from strategies.genetic.fitness import FitnessOptions
from strategies.genetic.founders import PastChampion
from strategies.genetic.genes import BreedingFamily
from strategies.genetic.population import Operator
from strategies.library.registry import families, get_family
from strategies.models import Champion, Strategy, Tournament
from strategies.positions import CONTROLS, MODEL_FAMILY, PATTERN_FAMILY
from strategies.scoring import FrozenEntrant
from strategies.store import trained_until
from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.markets.models import Market
from trainingday.markets.queries import query_test_window
from trainingday.typing import JSONDict

MAX_GENERATIONS = 200
POPULATION_RANGE = (4, 2000)
SESSION_FAMILIES = ("momentum", "mean_reversion", "breakout", MODEL_FAMILY)
SESSION_POPULATION = 4
# The session's tournament ranks by the Sharpe ratio of all of validation: it decides nothing.
SESSION_FITNESS = FitnessOptions(n_folds=1, spread_penalty=0.0, min_trades=1)
MAX_PAST_CHAMPIONS = 20
MAX_MODELS_READ = 20
GENETIC, NSGA2 = "genetic", "nsga2"
SEARCHES = {GENETIC: "Genetic algorithm: fitness alone", NSGA2: "NSGA-II: fitness, drawdown and turnover"}


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
    search : str
        One of SEARCHES.
    ensembles : tuple of (int, float)
        Members and agreement of the ensembles that take part.
    """

    families: tuple[BreedingFamily, ...]
    champions: tuple[PastChampion, ...]
    population_size: int
    n_generations: int
    fitness: FitnessOptions
    search: str
    ensembles: tuple[tuple[int, float], ...]


def check_size(n_generations: int, population_size: int) -> None:
    """Raise InvalidArgument unless a tournament of this size may run."""
    for name, value, low, high in (
        ("n_generations", n_generations, 1, MAX_GENERATIONS),
        ("population_size", population_size, *POPULATION_RANGE),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidArgument(f"{name} should be a whole number {low}..{high}, is {value!r}")


def standalone_configuration(
    market: Market,
    population_size: int,
    validation_start_us: int,
    *,
    search: str = GENETIC,
    seed_from: Tournament | None = None,
) -> JSONDict:
    """Return the configuration of a tournament over every family that can win, the model included.

    A population too small for a default of each family takes the first ones. Founders from a past
    population leave half of the places to defaults, champions and random ones.

    Raises
    ------
    InvalidArgument
        If the search is unknown, or the past tournament is of another market or has nobody to found this one.
    """
    if search not in SEARCHES:
        raise InvalidArgument(f"search should be one of {', '.join(SEARCHES)}, is {search!r}")
    artifact = honest_model(market, validation_start_us)
    bred = [name for name in families() if name not in CONTROLS]
    names = [*bred[:3], *([MODEL_FAMILY] if artifact else []), *bred[3:]][:population_size]
    configuration = {
        "population_size": population_size,
        "families": names,
        "artifact": artifact if MODEL_FAMILY in names else "",
        "founders": _champion_founders(market, names),
        "search": search,
        "ensembles": [] if search == NSGA2 else [list(shape) for shape in SHAPES],
    }
    if seed_from is not None:
        configuration["seeded_from"] = seed_from.pk
        configuration["past"] = _past_population(market, seed_from, names, max(1, population_size // 2))
    return configuration


def _champion_founders(market: Market, names: Sequence[str]) -> list[int]:
    """Return past champions, the newest first; an ensemble is there by its members."""
    wanted = [name for name in names if name != MODEL_FAMILY]
    reigns = _open_reigns(market).filter(strategy__family__in=[*wanted, ENSEMBLE.name])
    found: list[int] = []
    for champion in reigns.select_related("strategy").order_by("-pk")[:MAX_PAST_CHAMPIONS]:
        if champion.strategy.family == ENSEMBLE.name:
            prints = [member.fingerprint for member in load_members(champion.strategy.artifact)]
            members = Strategy.objects.filter(market=market, fingerprint__in=prints, family__in=wanted)
            found += members.order_by("pk").values_list("pk", flat=True)
        else:
            found.append(champion.strategy_id)
    return list(dict.fromkeys(found))[:MAX_PAST_CHAMPIONS]


def _past_population(market: Market, past: Tournament, names: Sequence[str], n: int) -> list[int]:
    """Return the n fittest different strategies of a past tournament, of families that are bred here."""
    if past.market_id != market.pk:
        raise InvalidArgument(f"seed_from should be a tournament of {market.slug}, is of {past.market.slug}")
    rows = past.performances.filter(
        strategy__family__in=[name for name in names if name != MODEL_FAMILY], fitness__isnull=False
    )
    best = (
        rows.order_by().values("strategy_id").annotate(best=Max("fitness")).order_by("-best", "strategy_id")
    )
    found = [row["strategy_id"] for row in best[:n]]
    if not found:
        raise InvalidArgument(f"seed_from should have entrants with a fitness, {past.public_id} has none")
    return found


def _open_reigns(market: Market) -> QuerySet[Champion]:
    """Return the reigns whose strategies may found a tournament: none that the sealed bars have chosen.

    A strategy that was promoted on bars of today's test window, and was overthrown since, would bring what
    those bars showed into the next search; the current champion has to be beaten on them anyway.
    """
    reigns = Champion.objects.filter(market=market)
    window = query_test_window(market)
    if window is None:
        return reigns
    # The promotion had seen the bars from its challenger's first to the newest known when the reign began,
    # which is where the reign's own record starts.
    by_window = Q(look__test_window=window) | Q(
        forward__after_us__lt=window.last_us, record__after_us__gte=window.first_us
    )
    return reigns.filter(~by_window | Q(until__isnull=True))


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
        families=tuple(_entrant(name, configuration) for name in configuration["families"]),
        champions=(
            *_founders(configuration["founders"], Operator.CHAMPION),
            *_founders(configuration.get("past", []), Operator.PAST),
        ),
        population_size=configuration["population_size"],
        n_generations=tournament.n_generations,
        fitness=SESSION_FITNESS if is_whole else FitnessOptions(),
        search=configuration.get("search", GENETIC),
        ensembles=tuple((int(size), float(share)) for size, share in configuration.get("ensembles", [])),
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


def _entrant(name: str, configuration: JSONDict) -> BreedingFamily:
    frozen = {MODEL_FAMILY: "artifact", PATTERN_FAMILY: "pattern_set"}
    return FrozenEntrant(name, configuration[frozen[name]]) if name in frozen else get_family(name)


def _founders(pks: Sequence[int], operator: Operator) -> list[PastChampion]:
    rows = Strategy.objects.in_bulk(pks)
    return [PastChampion(rows[pk].family, rows[pk].parameters, f"strategy {pk}", operator) for pk in pks]
