"""PostgreSQL as a home: claims, exams and the API pass there as on SQLite."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[1]
URL = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/test")
PARTS = [
    "tests/trainingday/runs/test_services.py",
    "tests/trainingday/runs/test_schedules.py",
    "tests/trainingday/runs/test_consumers.py",
    "tests/strategies/test_exam.py",
    "tests/sessions/test_api.py",
]


@pytest.mark.slow
@pytest.mark.postgres
def test_what_needs_a_database_passes_on_postgresql() -> None:
    try:
        psycopg.connect(URL, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {URL}: {error}")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *PARTS]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"DATABASE_URL": URL}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-4000:]
