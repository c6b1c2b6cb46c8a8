"""Criteria that reach over the sessions of a market: which of them count."""

from __future__ import annotations

from typing import Any

import pytest

from sessions.criteria import stability_on_these_bars
from sessions.models import ModelVersion
from tests.sessions.test_registry import STAGES, make_version
from trainingday.stats.criteria import ensemble_stability

pytestmark = pytest.mark.django_db
SCORES = [(0.2, 0.9), (1.4, 1.1), (-0.6, 0.8), (2.0, 1.2), (0.7, 1.0), (1.1, 0.95)]


def trained(number: int, single: float, together: float, **fields: Any) -> ModelVersion:
    """Store the candidate of one session: the first seed scores `single`, the better second one comes first."""
    members = [{"seed": 9, "validation_sharpe": 9.0}, {"seed": 1, "validation_sharpe": single}]
    overlay = {"options": {"none": {"sharpe_ratio": together}}}
    return make_version(number, members=members, overlay=overlay, **fields)


def test_ensembles_are_compared_over_the_sessions_on_the_same_bars():
    versions = [trained(number, *pair) for number, pair in enumerate(SCORES)]
    found = stability_on_these_bars(versions[-1])
    expected = ensemble_stability(*zip(*SCORES, strict=True))
    assert (found.n, found.met) == (6, True)
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_other_bars_baselines_single_members_and_repeated_seeds_do_not_count():
    first = trained(0, *SCORES[0])
    trained(1, *SCORES[1], train_last_us=2 * 10**12)
    trained(2, *SCORES[2], stage=STAGES.BASELINE)
    trained(3, *SCORES[3], weights_hash=first.weights_hash)
    make_version(4, members=[{"seed": 1, "validation_sharpe": 1.0}])
    trained(5, *SCORES[4], stage=STAGES.REJECTED)
    found = stability_on_these_bars(first)
    assert (found.n, found.met) == (2, None)
    assert "Sessions on these bars: 2; 5 are needed" in found.note
