"""The API of markets and datasets, and the import of files."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.reader import preview
from trainingday.markets.models import Dataset, Market
from trainingday.markets.queries import query_markets
from trainingday.markets.serializers import (
    DatasetDetailSerializer,
    DatasetSerializer,
    ImportSerializer,
    LoadResultSerializer,
    MarketSerializer,
)
from trainingday.markets.services import load_file, upload_limits
from trainingday.markets.uploads import UploadParser


class MarketViewSet(viewsets.ReadOnlyModelViewSet[Market]):
    """Markets with their newest dataset."""

    queryset = query_markets()
    serializer_class = MarketSerializer
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]{1,90}"
    filterset_fields = ["symbol", "venue", "interval", "calendar"]
    ordering_fields = ["slug", "symbol", "venue", "interval"]


class DatasetViewSet(viewsets.ReadOnlyModelViewSet[Dataset]):
    """Immutable versions of markets' bars; POST imports a file as the next one."""

    queryset = Dataset.objects.select_related("market")
    parser_classes = [UploadParser]
    write_limit = "import"
    filterset_fields = ["market__slug", "version", "sha256"]
    ordering_fields = ["created_at", "version", "n_rows"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_serializer_class(self) -> Any:
        if self.action in ("create", "preview"):
            return ImportSerializer
        return DatasetDetailSerializer if self.action == "retrieve" else DatasetSerializer

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        return rows if self.action == "retrieve" else rows.defer("quality")

    @extend_schema(request=ImportSerializer, responses={200: LoadResultSerializer, 201: LoadResultSerializer})
    def create(self, request: Request) -> Response:
        """Import a file; 201 with warnings, 200 if the same bars are there, 4xx with code and row if refused."""
        fields, data = self._upload(request)
        result = load_file(
            data,
            fields["file"].name,
            symbol=fields["symbol"],
            venue=fields["venue"],
            interval=fields.get("interval") or None,
            calendar=fields.get("calendar") or None,
            options=fields["options"],
            append=fields["append"],
            limits=upload_limits(),
        )
        address = f"/api/v1/datasets/{result.dataset.pk}/"
        return Response(
            LoadResultSerializer(result).data, status=result.status, headers={"Location": address}
        )

    @extend_schema(request=ImportSerializer, responses={200: OpenApiTypes.OBJECT})
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Answer what an import would detect; stores nothing."""
        fields, data = self._upload(request)
        found = preview(data, fields["file"].name, fields["options"], upload_limits())
        problem = found.problem
        return Response(
            {
                "detected": found.detected.as_dict() if found.detected else None,
                "problem": _problem(problem) if problem else None,
                "header": list(found.header),
                "rows": [list(row) for row in found.raw_rows],
            }
        )

    def _upload(self, request: Request) -> tuple[dict[str, Any], bytes]:
        serializer = ImportSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = serializer.validated_data
        return fields, fields["file"].read(upload_limits().max_bytes + 1)


def _problem(refusal: ImportRefused) -> dict[str, Any]:
    return {"status": refusal.status, "code": refusal.code, "row": refusal.row, "detail": str(refusal)}
