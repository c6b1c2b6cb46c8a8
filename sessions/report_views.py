"""The page Reports, and its API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions.progress_report import COLUMNS, Period, progress_report
from trainingday.exports import CONTENT_TYPES, export
from trainingday.markets.models import Market
from trainingday.markets.queries import query_market
from trainingday.rest import refuse_parameters_but


def reports(request: HttpRequest) -> HttpResponse:
    slugs = list(Market.objects.values_list("slug", flat=True))
    chosen = request.GET.get("market", "")
    report = progress_report(chosen if chosen in slugs else "")
    if (kind := request.GET.get("export", "")) in CONTENT_TYPES:
        rows = (period.row() for period in report.months)
        return export(kind, "reports", COLUMNS, rows, {"market": chosen} if chosen else {})
    context = {"report": report, "markets": slugs, "chosen": chosen}
    return render(request, "sessions/reports.html", context)


class PeriodSerializer(serializers.Serializer[Period]):
    """`n_generations` ended with a generation; `n_improvements` of them were promoted by a passed exam."""

    market = serializers.CharField()
    month = serializers.DateField(allow_null=True, help_text="Its first day; null for all months.")
    n_ended = serializers.IntegerField()
    n_generations = serializers.IntegerField()
    n_failed = serializers.IntegerField()
    n_improvements = serializers.IntegerField()
    n_looks = serializers.IntegerField(help_text="Sealed exams that were charged.")
    cpu_seconds = serializers.FloatField()
    cpu_per_improvement = serializers.FloatField(allow_null=True)


class ProgressReportSerializer(serializers.Serializer[Any]):
    total = PeriodSerializer()
    markets = PeriodSerializer(many=True)
    months = PeriodSerializer(many=True)


class ReportView(APIView):
    """What training has come to over time, by market and month."""

    @extend_schema(
        responses=ProgressReportSerializer,
        parameters=[OpenApiParameter("market", str, description="Slug; left out: all markets.")],
    )
    def get(self, request: Request) -> Response:
        refuse_parameters_but(request, {"market"})
        name = request.query_params.get("market", "")
        report = progress_report(query_market(name).slug if name else "")
        return Response(ProgressReportSerializer(report).data)
