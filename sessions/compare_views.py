"""The page that compares, and its API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions.side_by_side import MOST, READERS, Comparison, compare
from trainingday.exceptions import InvalidArgument, NotFound
from trainingday.rest import refuse_parameters_but

MAX_DIGITS = 18
LISTS = {
    "sessions": "sessions:list",
    "models": "sessions:models",
    "tournaments": "strategies:tournaments",
}


def comparison(request: HttpRequest, kind: str) -> HttpResponse:
    """Show a comparison; with the wrong number of rows, or one that is not there, say how to choose them."""
    context: dict[str, Any] = {"kind": kind, "list": LISTS.get(kind, "sessions:list"), "most": MOST}
    chosen = request.GET.getlist("id")
    status = 200
    try:
        context["page"] = compare(kind, _keys(chosen))
    except InvalidArgument as error:
        status, context["problem"] = 400, str(error) if chosen else "Nothing is chosen to compare"
    except NotFound as error:
        status, context["problem"] = 404, str(error)
    return render(request, "sessions/compare.html", context, status=status)


class ComparedSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    market = serializers.CharField()
    problem = serializers.CharField(help_text="Why there is no backtest; empty where there is one.")
    validation = serializers.JSONField(help_text="Metrics with 95 % intervals.", allow_null=True)
    test = serializers.JSONField(help_text="Only after a passed exam.", allow_null=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    """Settings that differ, by dotted name in the order asked for, and metrics side by side."""

    kind = serializers.CharField()
    n_equal = serializers.IntegerField(help_text="Settings that are the same everywhere.")
    differences = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    compared = ComparedSerializer(many=True)


class ComparisonView(APIView):
    """Two to five sessions, models or tournaments side by side."""

    @extend_schema(
        responses=ComparisonSerializer,
        parameters=[
            OpenApiParameter("kind", str, required=True, enum=sorted(READERS)),
            OpenApiParameter("id", int, required=True, many=True, description="Two to five; repeat it."),
        ],
    )
    def get(self, request: Request) -> Response:
        refuse_parameters_but(request, {"kind", "id"})
        parameters = request.query_params
        found = compare(parameters.get("kind", ""), _keys(parameters.getlist("id")))
        return Response(ComparisonSerializer(_body(found)).data)


def _body(found: Comparison) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "n_equal": found.n_equal,
        "differences": dict(found.differences),
        "compared": [
            {
                "title": line.entry.title,
                "market": line.entry.market.slug,
                "problem": line.problem,
                **{
                    name: part.metrics if (part := line.segment(name)) else None
                    for name in ("validation", "test")
                },
            }
            for line in found.measured
        ],
    }


def _keys(texts: Iterable[str]) -> list[int]:
    keys = []
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
            raise InvalidArgument(f"id should be a whole number, is {text[:40]!r}")
        keys.append(int(text))
    return keys
