"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of real market files, or skip; in CI its absence is a failure."""
    if not (SHARED / "data").is_dir():
        if os.environ.get("CI"):
            pytest.fail("../shared is absent in CI")
        pytest.skip("../shared is not beside this checkout")
    return SHARED
