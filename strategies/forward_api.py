"""The API of forward records: what champions and rejected challengers did on bars that came later."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from strategies.forward_pages import forward_bars
from strategies.models import ForwardRecord
from strategies.serializers import StrategySerializer
from trainingday.rest import refuse_parameters_but


class ForwardRecordSerializer(serializers.ModelSerializer[ForwardRecord]):
    """What a strategy did on bars that arrived after it was fixed; returns and means are fractions.

    `standing.leads` are mean differences a year with their confidence sequences; `alarm` says that a
    champion has decayed, `promotes` that a challenger is proven.
    """

    market = serializers.CharField(source="market.slug", read_only=True)
    strategy = StrategySerializer(read_only=True)

    class Meta:
        model = ForwardRecord
        fields = [
            "id", "market", "strategy", "reign", "look", "after_us", "until_us", "opening_position", "n_bars",
            "standing", "problem", "created_at",
        ]  # fmt: skip


class ForwardBarsSerializer(serializers.Serializer[Any]):
    """The recorded bars of one record, oldest first; stamps are opening times in microseconds UTC."""

    timestamps: Any = serializers.ListField(child=serializers.IntegerField())
    positions: Any = serializers.ListField(child=serializers.FloatField())
    returns: Any = serializers.ListField(child=serializers.FloatField())
    market_returns: Any = serializers.ListField(child=serializers.FloatField())
    datasets: Any = serializers.ListField(
        child=serializers.CharField(), help_text="sha256 of the dataset of each bar's stretch, in order."
    )


class ForwardRecordViewSet(viewsets.ReadOnlyModelViewSet[ForwardRecord]):
    """Records on later bars, of reigns and of challengers that failed an exam."""

    queryset = ForwardRecord.objects.select_related("market", "strategy__market")
    serializer_class = ForwardRecordSerializer
    filterset_fields = {"market__slug": ["exact"], "reign": ["exact", "isnull"], "strategy": ["exact"]}
    ordering_fields = ["created_at", "n_bars"]
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(responses=ForwardBarsSerializer)
    @action(detail=True, methods=["get"])
    def bars(self, request: Request, pk: str | None = None) -> Response:
        """Every recorded bar: position decided on it, net return over it, and that of buy & hold."""
        refuse_parameters_but(request, set())
        return Response(ForwardBarsSerializer(forward_bars(self.get_object())).data)
