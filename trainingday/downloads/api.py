"""The API of downloads."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from rest_framework import mixins, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from trainingday.downloads.models import Download
from trainingday.downloads.queries import query_downloads
from trainingday.downloads.serializers import DownloadSerializer, StartDownloadSerializer
from trainingday.downloads.services import request_download, request_refresh
from trainingday.markets.queries import query_market
from trainingday.rest import idempotency_key
from trainingday.runs.api_docs import describes_start
from trainingday.runs.models import Trigger
from trainingday.typing import JSONDict

DOWNLOAD_EXAMPLES: dict[str, JSONDict] = {
    "A series": {
        "exchange": "kraken",
        "symbol": "BTC/USD",
        "interval": "1h",
        "since": "2024-01-01T00:00:00Z",
    },
    "A refresh": {"market": "BTCUSD-1h"},
}
DOWNLOAD_QUEUED = {
    "run": "download-241", "kind": "download", "exchange": "kraken", "is_refresh": False, "since": "2024-01-01T00:00:00Z",
    "reached": None, "n_candles": 0, "n_requests": 0, "n_retries": 0, "skew_seconds": None, "dataset": None, "summary": "",
}  # fmt: skip


class DownloadViewSet(mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Download]):
    """Fetches of bars from exchanges; POST starts one."""

    queryset = query_downloads()
    filterset_fields = ["state", "market__slug", "exchange", "is_refresh"]
    ordering_fields = ["created_at", "n_candles", "n_retries"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_serializer_class(self) -> Any:
        return StartDownloadSerializer if self.action == "create" else DownloadSerializer

    @describes_start(StartDownloadSerializer, DownloadSerializer, DOWNLOAD_EXAMPLES, DOWNLOAD_QUEUED)
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
