"""The page Reports, the reports written from it, and their API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions.lists import WRITTEN_REPORTS
from sessions.models import WrittenReport
from sessions.progress_report import COLUMNS, Period, ProgressReport, progress_report
from trainingday.exports import CONTENT_TYPES, export
from trainingday.markets.models import Market
from trainingday.markets.queries import query_market
from trainingday.rest import refuse_parameters_but
from trainingday.runs.models import RunState
from trainingday.runs.progress import read_progress

N_SHOWN = 5


def reports(request: HttpRequest) -> HttpResponse:
    slugs = list(Market.objects.with_bars().values_list("slug", flat=True))
    chosen = request.GET.get("market", "")
    report = progress_report(chosen if chosen in slugs else "")
    if (kind := request.GET.get("export", "")) in CONTENT_TYPES:
        rows = (period.row() for period in report.months)
        return export(kind, "reports", COLUMNS, rows, {"market": chosen} if chosen else {})
    written = WrittenReport.objects.all()[:N_SHOWN]
    context = {"report": report, "markets": slugs, "chosen": chosen, "written": written}
    return render(request, "sessions/reports.html", context)


def written_reports(request: HttpRequest) -> HttpResponse:
    listing = WRITTEN_REPORTS.read(request, WrittenReport.objects.all())
    return listing.respond("sessions/written_reports.html", "sessions/_written_reports.html")


def written_report(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(WrittenReport.objects.select_related("market", "requested_by"), pk=pk)
    report = ProgressReport.from_rows(run.months)
    context = {"run": run, "live": read_progress(run), "report": report}
    return render(request, "sessions/written_report.html", context)


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


class WrittenReportSerializer(serializers.ModelSerializer[WrittenReport]):
    """One written report; `covers` is its market's slug, "" for all markets."""

    run = serializers.CharField(source="public_id", read_only=True)
    last_month = serializers.DateField(read_only=True, allow_null=True)

    class Meta:
        model = WrittenReport
        fields = [
            "id", "run", "preset", "covers", "first_month", "last_month", "state", "trigger", "reason",
            "created_at", "started_at", "finished_at",
        ]  # fmt: skip


class WrittenReportDetailSerializer(WrittenReportSerializer):
    """It with its numbers, null until it is written."""

    report = serializers.SerializerMethodField()

    class Meta(WrittenReportSerializer.Meta):
        fields = [*WrittenReportSerializer.Meta.fields, "report"]

    @extend_schema_field(ProgressReportSerializer(allow_null=True))
    def get_report(self, run: WrittenReport) -> Any:
        if run.state != RunState.SUCCEEDED:
            return None
        return ProgressReportSerializer(ProgressReport.from_rows(run.months)).data


class WrittenReportViewSet(viewsets.ReadOnlyModelViewSet[WrittenReport]):
    queryset = WrittenReport.objects.all()
    filterset_fields = ["state", "covers", "preset"]
    ordering_fields = ["created_at"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_serializer_class(self) -> Any:
        return WrittenReportDetailSerializer if self.action == "retrieve" else WrittenReportSerializer
