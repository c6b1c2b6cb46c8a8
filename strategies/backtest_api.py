"""The API of backtests: one request computes one backtest and stores nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from strategies.backtest_tables import (
    equity_csv,
    equity_parquet,
    times,
    trade_rows,
    trades_csv,
    trades_parquet,
)
from strategies.backtests import (
    DEFAULT_SEGMENT,
    SEGMENTS,
    WHY_NO_TEST,
    BacktestReport,
    SegmentReport,
    backtest_strategy,
    drawn_points,
)
from trainingday.fields import MarketField
from trainingday.markets.bar_export import CONTENT_TYPES
from trainingday.markets.queries import query_market
from trainingday.rest import RefuseUnknownFields
from trainingday.typing import JSONDict

MAX_PARAMETERS = 50
MAX_NAME = 60
MAX_TRADES = 10_000
PARTS = ("equity", "trades", "months")
DIRECTIONS = [("long", "long"), ("short", "short")]


class NumberField(serializers.FloatField):
    """A finite JSON number; never a boolean or text."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("A number is required, not a boolean or text.")
        try:
            return float(data)
        except OverflowError as error:
            raise serializers.ValidationError("A finite number is required.") from error


class StrategyBacktestRequestSerializer(RefuseUnknownFields, serializers.Serializer[Any]):
    """What a backtest takes."""

    market = MarketField()
    strategy = serializers.CharField(
        max_length=MAX_NAME, help_text="A family's name, for example momentum, or a stored strategy's number."
    )
    parameters = serializers.DictField(
        child=NumberField(), required=False, help_text="By name; left-out ones take their defaults."
    )
    segment = serializers.CharField(
        max_length=40,
        default=DEFAULT_SEGMENT,
        help_text="train, validation, or both joined by +; never the sealed test window or bars after it.",
    )
    fee = NumberField(required=False, help_text="Fraction per side, 0..0.1; else the market's own.")
    slippage = NumberField(required=False, help_text="Fraction per side, 0..0.1; else the market's own.")
    include = serializers.ListField(
        child=serializers.ChoiceField(choices=PARTS),
        default=["equity"],
        max_length=len(PARTS),
        help_text="What comes beside the metrics; points are thinned to 2,000, trades end at 10,000.",
    )

    def validate_parameters(self, parameters: dict[str, float]) -> dict[str, float]:
        if len(parameters) > MAX_PARAMETERS:
            raise serializers.ValidationError(f"At most {MAX_PARAMETERS} parameters are allowed.")
        if any(len(name) > MAX_NAME for name in parameters):
            raise serializers.ValidationError(f"A parameter's name has at most {MAX_NAME} characters.")
        return parameters


class BacktestEquitySerializer(serializers.Serializer[Any]):
    """Thinned to 2,000 points that keep each stretch's extremes; `n_bars` is before thinning."""

    time = serializers.ListField(child=serializers.CharField())
    equity = serializers.ListField(child=serializers.FloatField())
    drawdown = serializers.ListField(child=serializers.FloatField(allow_null=True))
    buy_and_hold = serializers.ListField(child=serializers.FloatField())
    n_bars = serializers.IntegerField()


class BacktestTradeSerializer(serializers.Serializer[Any]):
    entry_time = serializers.CharField()
    exit_time = serializers.CharField()
    direction = serializers.ChoiceField(choices=DIRECTIONS)
    size = serializers.FloatField()
    entry_price = serializers.FloatField()
    exit_price = serializers.FloatField()
    fees = serializers.FloatField()
    net_profit = serializers.FloatField()
    bars_held = serializers.IntegerField()
    is_open = serializers.BooleanField()


class BacktestMonthSerializer(serializers.Serializer[Any]):
    year = serializers.IntegerField()
    month = serializers.IntegerField()
    value = serializers.FloatField(help_text="Compounded net return, a fraction.")


class BacktestSegmentSerializer(serializers.Serializer[Any]):
    """One segment; null where a metric is undefined. Fractions, for a starting equity of 1."""

    name = serializers.ChoiceField(choices=SEGMENTS)
    first_bar = serializers.CharField()
    last_bar = serializers.CharField()
    metrics = serializers.DictField(child=serializers.FloatField(allow_null=True))
    buy_and_hold = serializers.DictField(child=serializers.FloatField(allow_null=True))
    ruined_at = serializers.CharField(allow_null=True)
    n_trades_open_or_closed = serializers.IntegerField()
    equity = BacktestEquitySerializer(required=False)
    trades = BacktestTradeSerializer(many=True, required=False)
    months = BacktestMonthSerializer(many=True, required=False)


class StrategyBacktestSerializer(serializers.Serializer[Any]):
    """A backtest; every number belongs to one segment, and none to the sealed test window or bars after it."""

    market = serializers.CharField()
    dataset = serializers.IntegerField()
    dataset_hash = serializers.CharField()
    strategy = serializers.CharField()
    parameters = serializers.DictField(child=serializers.FloatField())
    fee = serializers.FloatField()
    slippage = serializers.FloatField()
    bars_per_year = serializers.FloatField()
    note = serializers.CharField(help_text="Which bars chose or trained a stored strategy; else empty.")
    test = serializers.CharField(help_text="Why the test segment, and what came after it, is missing.")
    segments = BacktestSegmentSerializer(many=True)


class BacktestView(APIView):
    """Operators backtest one strategy; at most 2,000,000 bars, answered at once."""

    @extend_schema(request=StrategyBacktestRequestSerializer, responses=StrategyBacktestSerializer)
    def post(self, request: Request) -> Response:
        report, include = _computed(request)
        return Response(StrategyBacktestSerializer(_body(report, include)).data)


AS_CSV, AS_PARQUET = (
    extend_schema_view(
        post=extend_schema(
            request=StrategyBacktestRequestSerializer, responses={(200, content_type.partition(";")[0]): kind}
        )
    )
    for content_type, kind in (
        (CONTENT_TYPES["csv"], OpenApiTypes.STR),
        (CONTENT_TYPES["parquet"], OpenApiTypes.BINARY),
    )
)


class BacktestFileView(APIView):
    """The same backtest as a file."""

    table: Callable[[BacktestReport], str | bytes]
    name = ""
    content_type = CONTENT_TYPES["csv"]

    def post(self, request: Request) -> HttpResponse:
        report, _ = _computed(request)
        headers = {"Content-Disposition": f'attachment; filename="{report.market.slug}-{self.name}"'}
        return HttpResponse(type(self).table(report), content_type=self.content_type, headers=headers)


@AS_CSV
class EquityCsvView(BacktestFileView):
    """Close, target position, equity, drawdown and buy & hold at every bar, as CSV."""

    table = staticmethod(equity_csv)
    name = "equity.csv"


@AS_CSV
class TradesCsvView(BacktestFileView):
    """Every trade, as CSV."""

    table = staticmethod(trades_csv)
    name = "trades.csv"


@AS_PARQUET
class EquityParquetView(BacktestFileView):
    """Close, target position, equity, drawdown and buy & hold at every bar, as Parquet."""

    table = staticmethod(equity_parquet)
    name = "equity.parquet"
    content_type = CONTENT_TYPES["parquet"]


@AS_PARQUET
class TradesParquetView(BacktestFileView):
    """Every trade, as Parquet."""

    table = staticmethod(trades_parquet)
    name = "trades.parquet"
    content_type = CONTENT_TYPES["parquet"]


def _computed(request: Request) -> tuple[BacktestReport, list[str]]:
    unknown = sorted(set(request.query_params) - {"format"})
    if unknown:
        raise serializers.ValidationError({name: ["Unknown parameter."] for name in unknown})
    fields = StrategyBacktestRequestSerializer(data=request.data)
    fields.is_valid(raise_exception=True)
    given = fields.validated_data
    report = backtest_strategy(
        query_market(given["market"]),
        given["strategy"],
        given.get("parameters", {}),
        given["segment"],
        fee=given.get("fee"),
        slippage=given.get("slippage"),
    )
    return report, given["include"]


def _body(report: BacktestReport, include: list[str]) -> JSONDict:
    return {
        "market": report.market.slug,
        "dataset": report.dataset.version,
        "dataset_hash": report.dataset.sha256,
        "strategy": report.family.name,
        "parameters": report.parameters,
        "fee": report.costs.fee,
        "slippage": report.costs.slippage,
        "bars_per_year": report.market.bars_per_year,
        "note": report.note,
        "test": WHY_NO_TEST,
        "segments": [_segment(part, include) for part in report.segments],
    }


def _segment(part: SegmentReport, include: list[str]) -> JSONDict:
    first, last = times(part.bars, np.array([0, -1]))
    ruined_at = part.result.ruined_at
    body: JSONDict = {
        "name": part.name,
        "first_bar": first,
        "last_bar": last,
        "metrics": part.metrics,
        "buy_and_hold": part.hold_metrics,
        "ruined_at": None if ruined_at is None else times(part.bars, np.array([ruined_at]))[0],
        "n_trades_open_or_closed": len(part.result.trades),
    }
    if "equity" in include:
        body["equity"] = _equity(part)
    if "trades" in include:
        body["trades"] = trade_rows(part, MAX_TRADES)
    if "months" in include:
        body["months"] = part.months
    return body


def _equity(part: SegmentReport) -> JSONDict:
    places = drawn_points(part.result.equity)
    falls = part.drawdowns
    return {
        "time": times(part.bars, places),
        "equity": part.result.equity[places].tolist(),
        "drawdown": [None] * places.size if falls is None else falls[places].tolist(),
        "buy_and_hold": part.hold.equity[places].tolist(),
        "n_bars": len(part.bars),
    }
