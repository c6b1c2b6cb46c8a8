from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.load.installation import Installation, installed


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Return an installation that runs; starting it costs more than the tests."""
    with installed(tmp_path_factory.mktemp("installation")) as running:
        yield running
