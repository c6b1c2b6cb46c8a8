"""The API of the model registry."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from sessions import registry
from sessions.models import ModelVersion
from sessions.serializers import ModelVersionSerializer, UploadModelSerializer
from strategies.serializers import ChampionSerializer, ReasonSerializer, StrategySerializer
from trainingday.markets.queries import query_market
from trainingday.markets.uploads import UploadParser
from trainingday.permissions import ReadOrAdminister, may_operate
from trainingday.rest import refuse_parameters_but

PARTS = OpenApiParameter("part", str, enum=sorted(registry.PARTS), required=True)


class ModelVersionViewSet(viewsets.ReadOnlyModelViewSet[ModelVersion]):
    queryset = ModelVersion.objects.select_related("market", "strategy", "selection_strategy")
    serializer_class = ModelVersionSerializer
    filterset_fields = ["market__slug", "stage", "algorithm", "session"]
    ordering_fields = ["created_at", "number", "validation_sharpe"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_permissions(self) -> Any:
        """Return who may do it: decisions are an admin's, uploads and checks an operator's."""
        decisions = {"promote", "reject", "roll_back", "destroy"}
        return [ReadOrAdminister()] if self.action in decisions else super().get_permissions()

    def get_parsers(self) -> Any:
        is_post = self.request is not None and self.request.method == "POST"  # None: the schema is drawn
        if getattr(self, "action_map", {}).get("post") == "create" and is_post:
            return [UploadParser()]
        return super().get_parsers()

    @extend_schema(
        request=UploadModelSerializer, responses={201: StrategySerializer, 200: StrategySerializer}
    )
    def create(self, request: Request) -> Response:
        """Store a signed export as a strategy of a market: fields market, weights, manifest, signature."""
        files = dict(request.FILES.items())
        fields: Any = request.data
        unknown = sorted(set(fields) - {"market", *registry.PARTS, *files})
        if unknown:
            raise exceptions.ValidationError({name: ["Unknown field."] for name in unknown})
        name = fields.get("market")
        if not isinstance(name, str) or "\x00" in name:
            raise exceptions.ValidationError({"market": ["This field is required."]})
        try:
            strategy, is_new = registry.upload(query_market(name), files)
        except registry.NotAnExport as error:
            raise exceptions.UnsupportedMediaType("", detail=str(error)) from error
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(StrategySerializer(strategy).data, status=code)

    @extend_schema(responses={409: OpenApiTypes.OBJECT})
    def destroy(self, request: Request, pk: str | None = None) -> Response:
        """Always refused: a model is evidence, and a champion is what a bot follows."""
        registry.refuse_deletion(self.get_object())
        raise AssertionError("refuse_deletion raises")

    @extend_schema(request=ReasonSerializer, responses={201: ChampionSerializer})
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, pk: str | None = None) -> Response:
        """Make it champion again, where evidence has made it champion before; admins, with a reason."""
        champion = registry.promote(self.get_object(), reason=_reason(request), user=_user(request))
        return Response(ChampionSerializer(champion).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ReasonSerializer, responses=ModelVersionSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str | None = None) -> Response:
        """Mark a candidate or retired model as rejected; admins, with a reason."""
        version = self.get_object()
        registry.reject(version, reason=_reason(request), user=_user(request))
        return Response(ModelVersionSerializer(version).data)

    @extend_schema(request=ReasonSerializer, responses={200: ChampionSerializer, 204: None})
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, pk: str | None = None) -> Response:
        """End its reign; the reign before returns, or none (204); admins, with a reason."""
        champion = registry.roll_back(self.get_object(), reason=_reason(request), user=_user(request))
        if champion is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(ChampionSerializer(champion).data)

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: str | None = None) -> Response:
        """Check signature, hashes, shapes and values of its artefacts anew."""
        return Response(registry.verify(self.get_object()))

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, parameters=[PARTS])
    @action(detail=True, methods=["get"], filter_backends=[])
    def export(self, request: Request, pk: str | None = None) -> HttpResponse:
        """One file of the signed export: part=weights, manifest or signature; operators."""
        refuse_parameters_but(request, {"part"})
        if not may_operate(request.user):
            raise PermissionDenied
        return download(self.get_object(), request.query_params.get("part", ""))


def download(version: ModelVersion, part: str) -> HttpResponse:
    """Return one file of a model's signed export as an attachment."""
    name, content = registry.export_part(version, part)
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(
        content, content_type="application/octet-stream", headers={"Content-Disposition": disposition}
    )


def _reason(request: Request) -> str:
    fields = ReasonSerializer(data=request.data)
    fields.is_valid(raise_exception=True)
    return str(fields.validated_data["reason"])


def _user(request: Request) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
