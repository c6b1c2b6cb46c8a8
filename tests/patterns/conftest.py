import pytest


@pytest.fixture
def _no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store runs without telling the queue of them."""
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)
