"""The API of runs of every kind, their events, schedules and workers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trainingday.permissions import ReadOrAdminister, ReadOrOperate
from trainingday.rest import refuse_unknown_parameters
from trainingday.runs import queries, services
from trainingday.runs.models import RunEvent, TrainingSchedule
from trainingday.runs.serializers import (
    RunEventSerializer,
    RunSerializer,
    TrainingScheduleSerializer,
    WorkerSerializer,
)


class RunListView(APIView):
    """Active runs of every kind, running first."""

    @extend_schema(responses=RunSerializer(many=True))
    def get(self, request: Request) -> Response:
        refuse_unknown_parameters(request, self)
        runs: Any = queries.active_runs()
        return Response(RunSerializer(runs, many=True).data)


class RunView(APIView):
    @extend_schema(responses=RunSerializer)
    def get(self, request: Request, public_id: str) -> Response:
        return Response(RunSerializer(queries.find_run(public_id)).data)


class RunEventsView(generics.ListAPIView[RunEvent]):
    """The durable events of a run after `since`, in order."""

    serializer_class = RunEventSerializer
    filter_backends: list[Any] = []
    queryset = RunEvent.objects.none()

    @extend_schema(parameters=[OpenApiParameter("since", int, description="Only events with a greater seq.")])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        since = self.request.query_params.get("since", "0")
        if not (since.isascii() and since.isdigit() and len(since) < 10):
            raise ValidationError({"since": ["A whole number >= 0 is required."]})
        return queries.query_events(queries.find_run(self.kwargs["public_id"]), int(since))


class RunCancelView(APIView):
    permission_classes = [ReadOrOperate]

    @extend_schema(request=None, responses={202: RunSerializer})
    def post(self, request: Request, public_id: str) -> Response:
        run = queries.find_run(public_id)
        services.cancel(run)
        return Response(RunSerializer(queries.find_run(public_id)).data, status=status.HTTP_202_ACCEPTED)


class ScheduleListView(generics.ListAPIView[TrainingSchedule]):
    permission_classes = [ReadOrAdminister]
    queryset = TrainingSchedule.objects.select_related("market")
    serializer_class = TrainingScheduleSerializer
    filterset_fields = ["job", "is_enabled"]
    ordering_fields = ["name", "next_run_at"]


class WorkerListView(APIView):
    @extend_schema(responses=WorkerSerializer(many=True))
    def get(self, request: Request) -> Response:
        refuse_unknown_parameters(request, self)
        workers: Any = queries.worker_health()
        return Response(WorkerSerializer(workers, many=True).data)
