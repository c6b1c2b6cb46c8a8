"""Every address × four roles × every verb answers as RELIABILITY.md says; one that is not listed fails."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.management.color import no_style
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

from patterns.models import PatternScan, PatternSighting
from sessions.models import HonestyRun, ModelVersion, SessionReplay, WrittenReport
from strategies.models import Champion, ForwardRecord, Look, Strategy
from tests import pages
from tests.trainingday.access import surfaces
from trainingday.access import audit, tokens
from trainingday.access.models import ApiToken
from trainingday.downloads.models import Download
from trainingday.markets.models import ImportProfile, Market, TestWindow
from trainingday.runs.models import TrainingSchedule

ROLES = ("anonymous", "viewer", "operator", "admin")
VERBS = ("get", "post", "put", "patch", "delete")
PK = 1


def routes(resolver: URLResolver, prefix: str = "", names: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield (name, route) of each address outside Django's admin, which has a test of its own."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield ":".join((*names, pattern.name or str(pattern.pattern))), prefix + str(pattern.pattern)
        elif str(pattern.pattern) != "admin/":
            below = (*names, pattern.namespace) if pattern.namespace else names
            yield from routes(pattern, prefix + str(pattern.pattern), below)


ROUTES = dict(routes(get_resolver()))


def address(route: str, market: Market) -> str:
    """Return the route with its arguments filled in by things that exist."""
    known = {"pk": str(PK), "slug": market.slug, "public_id": f"session-{PK}", "table": "equity"}
    known |= {"token_key": "none", "kind": "sessions", "part": "weights"}
    if "(?P" in route or "^" in route:
        form, arguments = normalize(route)[0]
        return "/" + form.replace("^", "") % {name: known[name] for name in arguments}
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: known[found.group(1)], route)


@pytest.fixture
def numbered_from_one(db: None) -> None:
    """PostgreSQL goes on counting where another test's rows were undone."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_by_name_sql(
            no_style(), connection.introspection.sequence_list()
        ):
            cursor.execute(statement)


@pytest.fixture
def world(numbered_from_one: None, market: Market) -> Market:
    """One of everything that has an address, with the primary key 1."""
    dataset = market.datasets.get()
    session = pages.make_session(market, dataset, pk=PK)
    pages.add_trials(session, 1)
    SessionReplay.objects.create(pk=PK, market=market, original=session, seed=1, state="succeeded")
    run = {"pk": PK, "market": market, "dataset": dataset, "seed": 1, "state": "succeeded"}
    scan = PatternScan.objects.create(**run)
    definition = {"id": "w50-00122-any-any-h10-long", "cuts": {"volatility": None, "volume": None}}
    pattern = pages.make_pattern(market, scan, 1, pk=PK, definition=definition)
    PatternSighting.objects.create(pk=PK, pattern=pattern, bar_us=1)
    tournament = pages.make_tournament(market, dataset, pk=PK)
    pages.add_entrants(tournament, 1)
    strategy = Strategy.objects.create(pk=PK + 1000, market=market, family="momentum", fingerprint="x")
    window = TestWindow.objects.create(market=market, first_us=1, last_us=2)
    look = Look.objects.create(
        pk=PK, market=market, test_window=window, dataset=dataset, strategy=strategy, run_kind="session",
        run_pk=PK, is_charged=True, level=0.005, verdict="not_proven", decision={"public": {}, "sealed": {}},
    )  # fmt: skip
    reign = Champion.objects.create(pk=PK, market=market, strategy=strategy, look=look, reason="passed")
    ForwardRecord.objects.create(
        pk=PK, market=market, strategy=strategy, reign=reign, after_us=1, until_us=1, checked_us=1
    )
    ImportProfile.objects.create(pk=PK, name="mine", options={}, layout={})
    ModelVersion.objects.create(
        pk=PK, market=market, session=session, number=1, strategy=strategy, selection_strategy=strategy,
        algorithm="ppo", hyperparameters={}, seed=1, dataset=dataset, train_first_us=0, train_last_us=1,
        artifact="a", weights_hash="b",
    )  # fmt: skip
    HonestyRun.objects.create(
        pk=PK, parts=["models"], n_markets=1, seed=1, results=[], has_passed=True, seconds=1.0
    )
    WrittenReport.objects.create(pk=PK, market=market, preset="ever", seed=0, state="succeeded")
    Download.objects.create(pk=PK, market=market, seed=1, state="succeeded", since_us=0, cursor_us=0)
    TrainingSchedule.objects.create(pk=PK, name="nightly", market=market, cron="30 2 * * *")
    audit.record("start", session)
    return market


def clients(people: dict[str, User]) -> dict[str, Client]:
    found = {role: Client() for role in ROLES}
    for role, user in people.items():
        found[role].force_login(user)
    return found


def expected(surface: str, role: str, verb: str) -> set[int]:
    """Return the statuses that a role may get for a verb at an address of a surface."""
    refused, done = {403}, {200, 201, 202, 204, 302, 400, 404, 405, 409, 413, 415, 422}
    reads, writes = verb == "get", verb != "get"
    is_operator, is_admin = role in ("operator", "admin"), role == "admin"
    if surface == surfaces.OPEN:
        return {200, 301, 302, 405}
    if surface == surfaces.METRICS:
        return {404, 405}
    if role == "anonymous":
        return {401} if surface.startswith("api") else {302}
    if surface in (surfaces.PAGE, surfaces.OWN):
        return {200} if reads and surface == surfaces.PAGE else {200, 400, 404, 405}
    if surface == surfaces.FORM:
        return ({200} if reads else done) if is_operator else refused
    if surface == surfaces.OPERATE:
        return done - {200} if is_operator else refused | {405}
    if surface == surfaces.ADMINISTER:
        return done - {200} if is_admin else refused | {405}
    if surface in (surfaces.EXPORT, surfaces.API_EXPORT):
        return ({200, 400, 404, 422} if reads else {405}) if is_operator else refused | {405}
    if surface == surfaces.API_READ:
        return {200} if reads else {403, 405} if not is_operator else {405}
    if surface == surfaces.API_OPERATE:
        return {200} if reads else done if is_operator else refused | {405}
    if surface == surfaces.API_ADMINISTER:
        return {200} if reads else done if is_admin else refused | {405}
    if reads:
        return {405}
    may = is_admin if surface == surfaces.API_ADMIN_ACT else is_operator
    return done if may and writes else refused | {405}


def test_every_address_is_listed_and_every_listed_one_exists() -> None:
    unlisted = sorted(set(ROUTES) - set(surfaces.SURFACE_OF))
    assert unlisted == [], "say in tests/trainingday/access/surfaces.py who may do what there"
    assert sorted(set(surfaces.SURFACE_OF) - set(ROUTES)) == []
    assert len(ROUTES) > 80


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_each_role_gets_what_it_may(name: str, world: Market) -> None:
    surface = surfaces.SURFACE_OF[name]
    people = {role: pages.make_user(role) for role in ROLES[1:]}
    path = address(ROUTES[name], world)
    for role, client in clients(people).items():
        for verb in VERBS:
            status = getattr(client, verb)(path).status_code
            allowed = expected(surface, role, verb)
            if name == "sessions:real-session" and role in ("operator", "admin"):
                allowed = allowed | {500}  # what the seed's clients expect of a refusal
            if name in surfaces.MAY_BE_MISSING and role != "anonymous":
                allowed = allowed | {400, 404, 422}
            assert status in allowed, f"{role} {verb} {path} ({surface}): {status}, allowed {sorted(allowed)}"


@pytest.mark.parametrize(
    ("surface", "verbs"), [(surfaces.API_ACT, ["post"]), (surfaces.API_ADMIN_ACT, ["post"])]
)
def test_what_only_some_may_do_is_refused_to_the_others_and_not_hidden(
    surface: str, verbs: list[str], world: Market
) -> None:
    """405 would pass the matrix: here the verb that works for the allowed is 403 for the rest."""
    viewer = Client()
    viewer.force_login(pages.make_user("viewer"))
    for name in surfaces.NAMES[surface].split():
        assert viewer.post(address(ROUTES[name], world)).status_code == 403, name


@pytest.mark.parametrize("path", ["/admin/", "/admin/auth/user/", "/admin/auditlog/logentry/"])
def test_djangos_admin_is_for_admins_alone(path: str, db: None) -> None:
    staff = pages.make_user("operator")
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    people = {"viewer": pages.make_user("viewer"), "operator": staff, "admin": pages.make_user("admin")}
    statuses = {role: client.get(path).status_code for role, client in clients(people).items()}
    assert statuses == {"anonymous": 302, "viewer": 302, "operator": 302, "admin": 200}


def test_nobody_reaches_what_is_anothers_by_its_id(world: Market) -> None:
    """Tokens are the one private thing; every other id is shared on purpose and reads the same for both."""
    ann, bob = User.objects.create_user("ann"), User.objects.create_user("bob")
    for user in (ann, bob):
        tokens.make(user, scope="operate")
        user.groups.set([pages.make_user("operator").groups.get()] if user is ann else ann.groups.all())
    ann_client, bob_client = Client(), Client()
    ann_client.force_login(ann)
    bob_client.force_login(bob)
    for name, route in sorted(ROUTES.items()):
        surface = surfaces.SURFACE_OF[name]
        if surface == surfaces.OWN:
            for owner, client in ((ann, bob_client), (bob, ann_client)):
                key = ApiToken.objects.get(user=owner).token_key
                assert client.post(f"/{route}".replace("<str:token_key>", key)).status_code == 404, name
        elif "<" in route and surface in (surfaces.PAGE, surfaces.API_READ):
            path = address(route, world)
            assert ann_client.get(path).status_code == bob_client.get(path).status_code, name
    assert ApiToken.objects.count() == 2
