"""PostgreSQL as a home: every quick test that touches the database passes there as on SQLite."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[1]
URL = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/test")


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.only_on_sqlite
@pytest.mark.parametrize(
    "what",
    [
        pytest.param(["-m", "not slow and not browser and not load"], id="every quick test"),
        pytest.param(["tests/crashes/test_sweep.py"], id="crash points"),
    ],
)
def test_what_needs_a_database_passes_on_postgresql(what: list[str]) -> None:
    try:
        psycopg.connect(URL, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {URL}: {error}")
    command = [sys.executable, "-m", "pytest", "-q", "--only-database", "-p", "no:cacheprovider", *what]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"DATABASE_URL": URL}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-4000:]
