"""The API of markets and datasets, and the import of files."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from trainingday.exceptions import ImportRefused
from trainingday.markets import profiles
from trainingday.markets.bar_export import CONTENT_TYPES, bars_response
from trainingday.markets.importers.reader import preview, read_file
from trainingday.markets.models import Dataset, ImportProfile, Market
from trainingday.markets.queries import query_markets
from trainingday.markets.serializers import (
    DatasetDetailSerializer,
    DatasetSerializer,
    ImportSerializer,
    LoadResultSerializer,
    MarketSerializer,
    ProfileSerializer,
    SaveProfileSerializer,
)
from trainingday.markets.services import load_file, upload_limits
from trainingday.markets.uploads import UploadParser
from trainingday.permissions import may_operate


class AsIs(DefaultContentNegotiation):
    """The answer is a file of one kind, whatever the client would rather have."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class MarketViewSet(viewsets.ReadOnlyModelViewSet[Market]):
    """Markets with their newest dataset; one that holds no bars yet is not listed."""

    queryset = query_markets()
    serializer_class = MarketSerializer
    lookup_field = "slug"
    lookup_value_regex = "[-a-zA-Z0-9_]{1,90}"
    filterset_fields = ["symbol", "venue", "interval", "calendar"]
    ordering_fields = ["slug", "symbol", "venue", "interval"]

    def get_queryset(self) -> Any:
        return query_markets().with_bars() if self.action == "list" else query_markets()


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

    @extend_schema(responses={(200, kind): OpenApiTypes.BINARY for kind in CONTENT_TYPES.values()})
    def bars(self, request: Request, pk: int, kind: str) -> StreamingHttpResponse:
        """Answer the dataset's bars as a file: opening time in UTC, open, high, low, close, volume; operators only."""
        if not may_operate(request.user):
            raise PermissionDenied
        is_async = isinstance(request._request, ASGIRequest)
        return bars_response(self.get_object(), kind, is_async=is_async)

    def _upload(self, request: Request) -> tuple[dict[str, Any], bytes]:
        return _read(ImportSerializer(data=request.data))


class ImportProfileViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[ImportProfile],
):
    """Saved file layouts; an import names one as `profile`."""

    queryset = ImportProfile.objects.all()
    serializer_class = ProfileSerializer
    filterset_fields = ["name"]
    ordering_fields = ["name", "created_at"]
    write_limit = "import"
    lookup_value_regex = "[0-9]{1,18}"
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    def get_parsers(self) -> list[Any]:
        is_post = self.request is not None and self.request.method == "POST"
        return [UploadParser()] if is_post else super().get_parsers()

    def get_serializer_class(self) -> Any:
        return SaveProfileSerializer if self.action == "create" else ProfileSerializer

    @extend_schema(request=SaveProfileSerializer, responses={201: ProfileSerializer})
    def create(self, request: Request) -> Response:
        """Save how a file is read, with the corrections given; the file itself is not stored."""
        fields, data = _read(SaveProfileSerializer(data=request.data))
        detected = read_file(data, fields["file"].name, fields["options"], upload_limits()).detected
        user = request.user if isinstance(request.user, User) else None
        profile = profiles.save_profile(fields["name"], fields["options"], detected, user)
        address = f"/api/v1/import-profiles/{profile.pk}/"
        return Response(
            ProfileSerializer(profile).data, status=status.HTTP_201_CREATED, headers={"Location": address}
        )

    def partial_update(self, request: Request, pk: str | None = None) -> Response:
        """Rename."""
        fields = ProfileSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        profile = profiles.rename_profile(self.get_object(), fields.validated_data["name"])
        return Response(ProfileSerializer(profile).data)


def _read(serializer: Any) -> tuple[dict[str, Any], bytes]:
    """Return the checked fields of an upload and the file's bytes, one more than the limit at most."""
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = serializer.validated_data
    return fields, fields["file"].read(upload_limits().max_bytes + 1)


def _problem(refusal: ImportRefused) -> dict[str, Any]:
    return {"status": refusal.status, "code": refusal.code, "row": refusal.row, "detail": str(refusal)}
