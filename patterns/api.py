"""The API of patterns, their scans and their sightings."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from patterns import queries, services
from patterns.models import Pattern, PatternScan, PatternSighting
from patterns.options import ScanChoices
from patterns.serializers import (
    BacktestSerializer,
    PatternDetailSerializer,
    PatternScanSerializer,
    PatternSerializer,
    PatternSightingSerializer,
    RetireSerializer,
    StartScanSerializer,
)
from trainingday.markets.queries import query_market
from trainingday.rest import LeanLists, idempotency_key, refuse_parameters_but
from trainingday.runs.api_docs import HASH, describes_start
from trainingday.runs.models import Trigger
from trainingday.typing import JSONDict

DIGITS = "[0-9]{1,18}"
SCAN_EXAMPLES: dict[str, JSONDict] = {
    "With defaults": {"market": "BTCUSD-1h"},
    "What is searched": {
        "market": "BTCUSD-1h", "seed": 7, "windows": [20, 50], "horizons": [5, 10], "regimes": ["volatility", "trend"],
        "max_conditions": 1,
    },
}  # fmt: skip
SCAN_QUEUED = {
    "dataset_hash": HASH, "run": "scan-241", "is_part": False, "n_tested": 0, "n_found": 0, "n_confirmed": 0, "n_new": 0, "n_retired": 0,
    "recognition": {},
    "configuration": {},
}  # fmt: skip


class PatternScanViewSet(
    mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[PatternScan]
):
    queryset = queries.query_scans()
    filterset_fields = ["state", "market__slug", "is_part"]
    ordering_fields = ["created_at", "n_tested", "n_found", "n_confirmed", "n_new"]
    lookup_value_regex = DIGITS

    def get_serializer_class(self) -> Any:
        return StartScanSerializer if self.action == "create" else PatternScanSerializer

    @describes_start(StartScanSerializer, PatternScanSerializer, SCAN_EXAMPLES, SCAN_QUEUED)
    def create(self, request: Request) -> Response:
        """Start a scan; 202 with its run's address, 200 if the Idempotency-Key has started it already."""
        fields = StartScanSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        given = dict(fields.validated_data)
        key = idempotency_key(request)
        user = request.user if isinstance(request.user, User) else None
        known = bool(key) and PatternScan.objects.filter(requested_by=user, idempotency_key=key).exists()
        scan = services.request_scan(
            query_market(given.pop("market")),
            trigger=Trigger.API,
            user=user,
            seed=given.pop("seed", None),
            choices=ScanChoices(**given),
            idempotency_key=key,
        )
        return Response(
            PatternScanSerializer(scan).data,
            status=status.HTTP_200_OK if known else status.HTTP_202_ACCEPTED,
            headers={"Location": f"/api/v1/runs/{scan.public_id}/"},
        )


class PatternFilter(filters.FilterSet):
    horizon = filters.NumberFilter(min_value=1, max_value=10_000)
    window = filters.NumberFilter(min_value=1, max_value=10_000)
    min_success = filters.NumberFilter(
        field_name="success_rate", lookup_expr="gte", min_value=0, max_value=1, label="Least success rate"
    )

    class Meta:
        model = Pattern
        fields = ["market__slug", "state", "direction", "found_by", "last_scan"]


class PatternViewSet(LeanLists, viewsets.ReadOnlyModelViewSet[Pattern]):
    queryset = queries.query_patterns()
    unlisted = ("definition", "discovery", "confirmation", "tracking", "template")
    filterset_class = PatternFilter
    ordering_fields = [
        "created_at", "success_rate", "average_return", "q_value", "n_occurrences", "horizon", "confirmed_at",
    ]  # fmt: skip
    lookup_value_regex = DIGITS

    def get_serializer_class(self) -> Any:
        return PatternDetailSerializer if self.action == "retrieve" else PatternSerializer

    @extend_schema(request=RetireSerializer, responses=PatternDetailSerializer)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: str | None = None) -> Response:
        """Retire the pattern by hand, with a reason; operators, audited."""
        fields = RetireSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        assert isinstance(request.user, User)  # the permission class has refused everyone else
        reason = str(fields.validated_data["reason"])
        retired = services.retire_pattern(self.get_object(), reason=reason, user=request.user)
        return Response(PatternDetailSerializer(retired).data)

    @extend_schema(responses=BacktestSerializer)
    @action(detail=True, methods=["get"])
    def backtest(self, request: Request, pk: str | None = None) -> Response:
        """Trade the pattern alone on train and on validation; the test window and what follows are sealed."""
        refuse_parameters_but(request, set())
        return Response(BacktestSerializer(queries.backtest(self.get_object())).data)


class PatternSightingFilter(filters.FilterSet):
    class Meta:
        model = PatternSighting
        fields = {"pattern": ["exact"], "pattern__market__slug": ["exact"], "is_success": ["exact", "isnull"]}


class PatternSightingViewSet(
    mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[PatternSighting]
):
    queryset = queries.query_sightings()
    serializer_class = PatternSightingSerializer
    filterset_class = PatternSightingFilter
    ordering_fields = ["bar_us", "forward_return"]
    lookup_value_regex = DIGITS
