"""The exam ledger of many markets at once."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from strategies.models import Look
from trainingday.markets.models import Market, TestWindow
from trainingday.stats.gate import N_EXAMS, Verdict


def with_exams_left(markets: QuerySet[Market]) -> QuerySet[Any]:
    """Annotate `window_id`, the newest test window, and `n_exams_used`, charged since the last promotion.

    Says of all markets in one query what `strategies.queries.exams_left` says of one.
    """
    window = TestWindow.objects.filter(market=OuterRef("pk")).order_by("-last_us").values("pk")[:1]
    passed = (
        Look.objects.filter(test_window=OuterRef("test_window"), verdict=Verdict.PASSED.value)
        .order_by("-pk")
        .values("pk")[:1]
    )
    used = (
        Look.objects.filter(test_window=OuterRef("window_id"), is_charged=True)
        .filter(pk__gt=Coalesce(Subquery(passed), 0))
        .order_by()
        .values("test_window")
        .annotate(n=Count("pk"))
        .values("n")
    )
    return markets.annotate(window_id=Subquery(window), n_exams_used=Coalesce(Subquery(used), 0))


def exams_left_of(market: Any) -> int | None:
    """Return the exams left of a market annotated above, None before its first test window."""
    return None if market.window_id is None else max(0, N_EXAMS - market.n_exams_used)
