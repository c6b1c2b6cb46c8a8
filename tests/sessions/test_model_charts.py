"""Rolling Sharpe ratios, and what a model's plots say where there is nothing to plot."""

import numpy as np
import pytest
from django.test import Client

from sessions.model_charts import rolling_sharpe
from tests import pages
from tests.sessions.test_registry import make_version
from trainingday.stats.ratios import sharpe_ratio


def test_each_rolling_ratio_is_the_ratio_of_its_window() -> None:
    returns = 0.01 * np.random.default_rng(1).standard_normal(200)
    rolled = rolling_sharpe(returns, 40, 8766.0)
    assert rolled.shape == (161,)
    for place in (0, 17, 160):
        assert rolled[place] == pytest.approx(sharpe_ratio(returns[place : place + 40], 8766.0))


def test_a_flat_stretch_is_zero_and_too_few_returns_give_nothing() -> None:
    returns = np.concatenate([np.zeros(50), 0.01 * np.random.default_rng(2).standard_normal(50)])
    assert rolling_sharpe(returns, 30, 252.0)[0] == 0.0
    assert rolling_sharpe(returns[:29], 30, 252.0).size == 0


@pytest.mark.django_db
def test_a_model_whose_session_froze_no_inputs_says_why_it_has_no_plots() -> None:
    version, client = make_version(21), Client()
    client.force_login(pages.make_user("viewer"))
    for headers in ({}, {"HX-Request": "true"}):
        response = client.get(f"/models/{version.pk}/plots/", headers=headers)
        assert response.status_code == 200
        assert "has not recorded what it started from" in response.content.decode()
        assert ("<html" in response.content.decode()) == (not headers)
