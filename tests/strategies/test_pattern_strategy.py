"""A frozen pattern set as a strategy."""

import numpy as np
import pytest

from patterns.discovery.pattern import Pattern, RegimeCuts
from patterns.models import PatternScan
from strategies.positions import get_or_create_strategy, pattern_strategy, positions_of
from tests.pages import make_pattern
from tests.strategies.helpers import null_market
from trainingday.exceptions import InvalidArgument, NotFound, StateConflict

pytestmark = pytest.mark.django_db
RISING = Pattern.from_id("w50-00122-any-any-h5-long", RegimeCuts(None, None))


def test_confirmed_patterns_are_traded_as_they_were_frozen():
    market, dataset, bars = null_market()
    with pytest.raises(StateConflict):
        pattern_strategy(market)
    scan = PatternScan.objects.create(market=market, dataset=dataset, seed=1, state="succeeded")
    row = make_pattern(market, scan, 1, definition=RISING.as_dict())
    strategy = pattern_strategy(market)
    assert strategy == pattern_strategy(market)
    positions = positions_of(strategy, bars)
    assert positions.shape == (len(bars),) and set(np.unique(positions)) == {0.0, 1.0}
    row.state = "retired"
    row.save()
    np.testing.assert_array_equal(positions_of(strategy, bars), positions)


def test_a_pattern_strategy_needs_a_set_that_exists():
    market, _, bars = null_market()
    with pytest.raises(InvalidArgument):
        get_or_create_strategy(market, "pattern", {"lookback": 3}, "a" * 64)
    with pytest.raises(InvalidArgument):
        get_or_create_strategy(market, "pattern", {})
    with pytest.raises(NotFound):
        positions_of(get_or_create_strategy(market, "pattern", {}, "a" * 64), bars)
