"""Compare: what differs, what each earned on its own validation bars, test only after a passed exam."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from sessions.models import ModelVersion, TrainingSession
from sessions.side_by_side import compare
from strategies.backtests import backtest_strategy
from strategies.models import Look
from strategies.positions import get_or_create_strategy
from tests import pages
from tests.markets import gaussian_bars
from tests.strategies.helpers import store
from trainingday.exceptions import InvalidArgument, NotFound
from trainingday.markets.models import Dataset, Market
from trainingday.markets.services import current_test_window, load_bars


@pytest.fixture
def known(db: None) -> tuple[Market, Dataset]:
    market, dataset, _ = store("NULL", gaussian_bars(3000, 1))
    current_test_window(market, dataset)
    return market, dataset


def finished_session(market: Market, dataset: Dataset, lookback: int, **fields: Any) -> TrainingSession:
    costs = {"fee": market.fee, "slippage": market.slippage, "bars_per_year": market.bars_per_year}
    given = {"configuration": {"n_trials": 20, **costs}, "finished_at": timezone.now()} | fields
    session = pages.make_session(market, dataset, **given)
    strategy = get_or_create_strategy(market, "momentum", {"lookback": lookback})
    ModelVersion.objects.create(
        market=market, session=session, number=session.pk, strategy=strategy, selection_strategy=strategy,
        algorithm="ppo", hyperparameters={"gamma": 1 - lookback / 1000}, seed=lookback, dataset=dataset,
        train_first_us=0, train_last_us=1, artifact="a", weights_hash="b",
    )  # fmt: skip
    return session


def sit_exam(session: TrainingSession, verdict: str) -> None:
    model = session.model_versions.get()
    session.look = Look.objects.create(
        market=session.market, test_window=session.market.test_windows.get(), dataset=session.dataset,
        strategy=model.strategy, run_kind="session", run_pk=session.pk, is_charged=True, level=0.005,
        verdict=verdict, decision={"public": {}, "sealed": {}},
    )  # fmt: skip
    session.save()


def test_validation_metrics_are_those_of_a_backtest_of_the_same_strategy(
    known: tuple[Market, Dataset],
) -> None:
    rows = [finished_session(*known, lookback) for lookback in (20, 50)]
    found = compare("sessions", [row.pk for row in rows])
    for line, lookback in zip(found.measured, (20, 50), strict=True):
        alone = backtest_strategy(known[0], "momentum", {"lookback": lookback}, "validation").segments[0]
        part = line.segment("validation")
        assert part is not None and part.metrics == alone.metrics
        np.testing.assert_array_equal(part.result.equity, alone.result.equity)


def test_only_settings_that_differ_are_listed(known: tuple[Market, Dataset]) -> None:
    first = finished_session(*known, 20, seed=5)
    second = finished_session(*known, 50, seed=6)
    found = compare("sessions", [second.pk, first.pk])
    assert found.differences == [("seed", ["6", "5"])] and found.n_equal > 5
    models = compare("models", [m.pk for m in ModelVersion.objects.order_by("pk")])
    assert dict(models.differences)["hyperparameters.gamma"] == ["0.98", "0.95"]


@pytest.mark.parametrize(
    ("verdict", "segments"), [("passed", ["validation", "test"]), ("not_proven", ["validation"])]
)
def test_the_test_window_is_shown_only_after_a_passed_exam(
    verdict: str, segments: list[str], known: tuple[Market, Dataset]
) -> None:
    rows = [finished_session(*known, lookback) for lookback in (20, 50)]
    sit_exam(rows[0], verdict)
    found = compare("sessions", [row.pk for row in rows])
    assert [part.name for part in found.measured[0].segments] == segments
    assert [part.name for part in found.measured[1].segments] == ["validation"]
    assert [table.segment for table in found.tables] == segments
    assert {trace.role for trace in found.chart.traces} == set(segments)


def test_a_later_window_leaves_an_earlier_runs_validation_where_it_was(known: tuple[Market, Dataset]) -> None:
    """Else the bars that a model was trained on would be shown as its validation."""
    market, dataset = known
    rows = [finished_session(market, dataset, lookback) for lookback in (20, 50)]
    keys = [row.pk for row in rows]
    before = [line.segments[0].bars.timestamps[0] for line in compare("sessions", keys).measured]
    bars = gaussian_bars(6000, 1)
    newer = load_bars(market, replace(bars), "newer").dataset
    current_test_window(market, newer)
    assert market.test_windows.count() == 2
    assert [line.segments[0].bars.timestamps[0] for line in compare("sessions", keys).measured] == before


def test_what_has_no_strategy_yet_says_so(known: tuple[Market, Dataset]) -> None:
    done = finished_session(*known, 20)
    running = pages.make_session(*known, state="running")
    found = compare("sessions", [done.pk, running.pk])
    assert "not ended" in found.measured[1].problem and not found.measured[1].segments


@pytest.mark.parametrize("n", [0, 1, 6])
def test_two_to_five_are_compared(n: int, known: tuple[Market, Dataset]) -> None:
    rows = [pages.make_session(*known).pk for _ in range(n)]
    with pytest.raises(InvalidArgument, match="2 to 5 different sessions"):
        compare("sessions", rows * 2)


def test_what_is_not_there_is_named(known: tuple[Market, Dataset]) -> None:
    with pytest.raises(NotFound, match="no such tournament: 8"):
        compare("tournaments", [pages.make_tournament(*known).pk, 8])


def test_page_and_api_show_the_same(
    known: tuple[Market, Dataset], django_assert_max_num_queries: Any
) -> None:
    user = pages.make_user("viewer")
    page, api = Client(), APIClient()
    page.force_login(user)
    api.force_authenticate(user)
    rows = [finished_session(*known, lookback, seed=lookback) for lookback in (20, 30, 40, 50, 60)]
    query = "&".join(f"id={row.pk}" for row in rows)
    with django_assert_max_num_queries(16):
        text = page.get(f"{reverse('sessions:compare', args=['sessions'])}?{query}").content.decode()
    body = api.get(f"/api/v1/compare/?kind=sessions&{query}").json()
    assert body["differences"] == {"seed": ["20", "30", "40", "50", "60"]}
    sharpe = body["compared"][0]["validation"]["sharpe_ratio"]
    assert f"{sharpe:.2f}".replace("-", "−") in text and body["compared"][0]["test"] is None


@pytest.mark.parametrize(
    ("query", "status"),
    [("kind=sessions&id=1", 400), ("kind=dogs&id=1&id=2", 400), ("kind=sessions&id=x&id=2", 400),
     ("kind=models&id=1&id=2", 404), ("kind=models&id=1&id=2&x=1", 400), ("", 400)],
)  # fmt: skip
def test_bad_questions_get_a_reason(query: str, status: int, db: None) -> None:
    api = APIClient()
    api.force_authenticate(pages.make_user("viewer"))
    assert api.get(f"/api/v1/compare/?{query}").status_code == status


def test_the_lists_lead_to_the_comparison_of_what_is_ticked(known: tuple[Market, Dataset]) -> None:
    finished_session(*known, 20)
    pages.make_tournament(*known)
    page = Client()
    page.force_login(pages.make_user("viewer"))
    for name, kind in (
        ("sessions:list", "sessions"),
        ("sessions:models", "models"),
        ("strategies:tournaments", "tournaments"),
    ):
        text = page.get(reverse(name)).content.decode()
        assert f'action="/compare/{kind}/"' in text and 'form="compare" name="id"' in text
