"""Rows that are inserted without objects are those that objects would have written."""

import json

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from strategies.models import Strategy
from tests.strategies.helpers import null_market
from trainingday.bulk import database_time, insert_rows

pytestmark = pytest.mark.django_db
COLUMNS = ("market_id", "family", "parameters", "artifact", "fingerprint", "created_at")


def rows(market, n):
    now = database_time(timezone.now())
    return [(market.pk, "macd", json.dumps({"fast": k + 0.1}), "", f"{k:064d}", now) for k in range(n)]


def test_a_row_reads_back_as_it_was_given():
    market, _, _ = null_market()
    before = timezone.now()
    insert_rows(Strategy, COLUMNS, rows(market, 3))
    read = Strategy.objects.filter(market=market).order_by("pk")
    assert [row.parameters for row in read] == [{"fast": 0.1}, {"fast": 1.1}, {"fast": 2.1}]
    assert all(before <= row.created_at <= timezone.now() for row in read)


def test_known_rows_fail_all_or_are_left_out_as_the_caller_says():
    market, _, _ = null_market()
    insert_rows(Strategy, COLUMNS, rows(market, 2))
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows(Strategy, COLUMNS, rows(market, 4))
    assert Strategy.objects.count() == 2
    insert_rows(Strategy, COLUMNS, rows(market, 4), keep_known=True)
    insert_rows(Strategy, COLUMNS, rows(market, 5), keep_known=True)
    assert Strategy.objects.count() == 5
