"""Fixtures and rules that every test may use."""

import inspect
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.markets import gaussian_bars
from trainingday.access.kept import released
from trainingday.bars import Bars
from trainingday.markets.models import Market
from trainingday.markets.services import load_bars
from trainingday.object_storage import _storage

SHARED = Path(__file__).resolve().parents[2] / "shared"
IN_CI = bool(os.environ.get("CI"))


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of real market files, or skip."""
    if not (SHARED / "data").is_dir():
        pytest.skip("../shared is not beside this checkout")
    return SHARED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-database",
        action="store_true",
        help="run only tests that use the database: a second home's pass",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what another pass runs: tests of the other database, and tests that touch none."""
    vendor = "postgresql" if connection.vendor == "postgresql" else "sqlite"
    other = "only_on_sqlite" if vendor == "postgresql" else "only_on_postgresql"
    is_second = config.getoption("--only-database")
    wanted = [
        item
        for item in items
        if item.get_closest_marker(other) is None and not (is_second and not _uses_database(item))
    ]
    if len(wanted) < len(items):
        kept = set(wanted)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = wanted


def _uses_database(item: pytest.Item) -> bool:
    names = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or not names.isdisjoint(
        {"db", "transactional_db", "django_db_setup"}
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure: everything a test needs is installed there."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be: {report.longrepr}"
    return report


@pytest.fixture(autouse=True, scope="session")
def the_audit_trail_may_be_emptied_between_tests() -> Iterator[None]:
    """Let a test that truly commits leave an empty database: a flush on SQLite deletes row by row."""
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def execute(self: Any, statements: list[str]) -> None:
        with released(self.connection):
            flush(self, statements)

    operations.execute_sql_flush = execute
    yield
    operations.execute_sql_flush = flush


@pytest.fixture
def other_databases(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test connect to databases of its own; Django's tests connect to none but the configured ones."""
    guard = BaseDatabaseWrapper.ensure_connection
    real = inspect.getclosurevars(guard).nonlocals["real_ensure_connection"]
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", real)


@pytest.fixture
def object_storage(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Any]:
    """Return a client of a local S3 server whose bucket the product, and its child processes, store in."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "TRAININGDAY_STORAGE": "s3://bars-and-models/home",
    }.items():
        monkeypatch.setenv(name, value)
    settings.TRAININGDAY_STORAGE = "s3://bars-and-models/home"
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
    client = boto3.client("s3")
    client.create_bucket(Bucket="bars-and-models")
    _storage.cache_clear()
    yield client
    _storage.cache_clear()
    server.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    """Return a Dask scheduler on loopback to which the test adds workers."""
    from tests.cluster import Cluster

    cluster = Cluster(tmp_path)
    yield cluster
    cluster.end()


@pytest.fixture
def child_database(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let child processes work on this test's own database, which then is truly committed to."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{settings['NAME']}"
    else:
        user, password = quote(settings["USER"] or ""), quote(settings["PASSWORD"] or "")
        url = f"postgres://{user}:{password}@{settings['HOST']}:{settings['PORT'] or 5432}/{settings['NAME']}"
    monkeypatch.setenv("DATABASE_URL", url)


@pytest.fixture
def make_user(db: None) -> Callable[[str], User]:
    """Return a maker of users by role: "viewer", "operator" or "admin"."""

    def make(role: str) -> User:
        user = User.objects.create_user(f"{role}-{User.objects.count()}", password="a long enough one")
        user.groups.add(Group.objects.get_or_create(name=role)[0])
        return user

    return make


@pytest.fixture
def market(db: None) -> Market:
    """Return an hourly market with 2,000 seeded bars of pure noise."""
    return make_market(gaussian_bars(2000, seed=7))


def make_market(bars: Bars, symbol: str = "NOISE") -> Market:
    market = Market.objects.create(symbol=symbol, venue="test", interval=3600)
    load_bars(market, bars, "a seeded test market")
    return market
