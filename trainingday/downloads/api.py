"""The API of downloads."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from trainingday.downloads.models import Download
from trainingday.downloads.queries import query_downloads
from trainingday.downloads.serializers import DownloadSerializer, StartDownloadSerializer
from trainingday.downloads.services import request_download, request_refresh
from trainingday.markets.queries import query_market
from trainingday.rest import idempotency_key
from trainingday.runs.models import Trigger

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same key starts once."
)


class DownloadViewSet(mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Download]):
    """Fetches of bars from exchanges; POST starts one."""

    queryset = query_downloads()
    filterset_fields = ["state", "market__slug", "exchange", "is_refresh"]
    ordering_fields = ["created_at", "n_candles", "n_retries"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_serializer_class(self) -> Any:
        return StartDownloadSerializer if self.action == "create" else DownloadSerializer

    @extend_schema(
        request=StartDownloadSerializer, responses={202: DownloadSerializer}, parameters=[IDEMPOTENCY]
    )
    def create(self, request: Request) -> Response:
        """Start a download or a refresh; 202 with its run's address, 200 if the key has started it already."""
        fields = StartDownloadSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        key = idempotency_key(request)
        user = request.user if isinstance(request.user, User) else None
        known = bool(key) and Download.objects.filter(requested_by=user, idempotency_key=key).exists()
        given = {**fields.validated_data, "trigger": Trigger.API, "user": user, "idempotency_key": key}
        market = given.pop("market", None)
        download = request_refresh(query_market(market), **given) if market else request_download(**given)
        return Response(
            DownloadSerializer(download).data,
            status=status.HTTP_200_OK if known else status.HTTP_202_ACCEPTED,
            headers={"Location": f"/api/v1/runs/{download.public_id}/"},
        )
