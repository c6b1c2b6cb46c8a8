"""The API of training sessions, trials and models, and the seed's own address."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions import real_session
from sessions.models import SessionReplay, TrainingSession, Trial
from sessions.serializers import (
    SessionReplaySerializer,
    StartSessionSerializer,
    TrainingSessionDetailSerializer,
    TrainingSessionSerializer,
    TrialSerializer,
)
from sessions.services import clone_session, request_replay, request_session, resume_session
from trainingday.exceptions import TrainingDayError
from trainingday.markets.queries import query_market
from trainingday.rest import LeanLists, idempotency_key
from trainingday.runs.api_docs import HASH, IDEMPOTENCY, describes_start
from trainingday.runs.models import Run, Trigger
from trainingday.typing import JSONDict

SESSION_EXAMPLES: dict[str, JSONDict] = {
    "With defaults": {"market": "BTCUSD-1h"},
    "Preset, trials and seed": {"market": "BTCUSD-1h", "preset": "quick", "n_trials": 8, "seed": 7},
}
SESSION_QUEUED = {
    "dataset_hash": HASH, "run": "session-241", "preset": "quick", "generation": None, "baseline_sharpe": None, "new_sharpe": None,
    "improvement_percent": None, "hyperparams_tested": 0, "patterns_discovered": 0, "model_path": "", "verdict": "",
    "duration": None, "cpu_seconds": None, "configuration": {"preset": "quick", "n_trials": 8}, "environment": {},
}  # fmt: skip
REAL_SESSION_EXAMPLES = [
    OpenApiExample("Quick", value={"market": "BTCUSD-1h", "preset": "quick"}, request_only=True),
    OpenApiExample(
        "Done", response_only=True, status_codes=["200"],
        value={
            "success": True,
            "data": {
                "generation": 12, "baseline_score": 0.41, "new_score": 0.48, "improvement_percent": 17.1,
                "hyperparams_tested": 20, "training_time_hours": 0.02, "model_saved": False,
                "run": "session-241", "verdict": "not_proven", "reason": "Not proven.",
            },
            "realImprovement": False, "modelsEvolved": 0,
        },
    ),
    OpenApiExample(
        "Queued", response_only=True, status_codes=["202"],
        value={"success": True, "data": {"run": "session-241", "state": "queued"}},
    ),
    OpenApiExample(
        "Failed", response_only=True, status_codes=["500"],
        value={"success": False, "error": "no market is loaded: run `manage.py load_offline`"},
    ),
]  # fmt: skip


class TrainingSessionViewSet(
    LeanLists, mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[TrainingSession]
):
    queryset = TrainingSession.objects.select_related("market", "dataset")
    unlisted = ("report", "dataset__quality")
    filterset_fields = ["state", "market__slug", "preset", "verdict"]
    ordering_fields = ["created_at", "generation", "new_sharpe", "duration"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_serializer_class(self) -> Any:
        if self.action == "create":
            return StartSessionSerializer
        return TrainingSessionDetailSerializer if self.action == "retrieve" else TrainingSessionSerializer

    @describes_start(StartSessionSerializer, TrainingSessionSerializer, SESSION_EXAMPLES, SESSION_QUEUED)
    def create(self, request: Request) -> Response:
        """Start a session; answers 202 with its address, 200 if the Idempotency-Key has started it already."""
        fields = StartSessionSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        key = idempotency_key(request)
        user = request.user if isinstance(request.user, User) else None
        known = bool(key) and TrainingSession.objects.filter(requested_by=user, idempotency_key=key).exists()
        given = dict(fields.validated_data)
        session = request_session(
            query_market(given.pop("market")),
            given.pop("preset"),
            trigger=Trigger.API,
            user=user,
            idempotency_key=key,
            **given,
        )
        return _accepted(session, status.HTTP_200_OK if known else status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: TrainingSessionSerializer})
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: str | None = None) -> Response:
        """Start a session with the same preset and trials on the newest bars."""
        user = request.user if isinstance(request.user, User) else None
        return _accepted(
            clone_session(self.get_object(), trigger=Trigger.API, user=user), status.HTTP_202_ACCEPTED
        )

    @extend_schema(request=None, responses={202: TrainingSessionSerializer})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str | None = None) -> Response:
        """Go on with a failed or cancelled session from its last committed row."""
        return _accepted(resume_session(self.get_object()), status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: SessionReplaySerializer}, parameters=[IDEMPOTENCY])
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str | None = None) -> Response:
        """Run it again from its own seed, bars and configuration, and compare bit for bit; writes no result."""
        user = request.user if isinstance(request.user, User) else None
        key = idempotency_key(request)
        replay = request_replay(self.get_object(), trigger=Trigger.API, user=user, idempotency_key=key)
        return _accepted(replay, status.HTTP_202_ACCEPTED)


class SessionReplayViewSet(viewsets.ReadOnlyModelViewSet[SessionReplay]):
    queryset = SessionReplay.objects.select_related("market", "original")
    serializer_class = SessionReplaySerializer
    filterset_fields = ["original", "state", "result", "market__slug"]
    ordering_fields = ["created_at"]
    lookup_value_regex = "[0-9]{1,18}"


class TrialViewSet(LeanLists, viewsets.ReadOnlyModelViewSet[Trial]):
    queryset = Trial.objects.all()
    unlisted = ("blocks",)
    serializer_class = TrialSerializer
    filterset_fields = ["session", "state"]
    ordering_fields = ["index", "score", "seconds"]
    lookup_value_regex = "[0-9]{1,18}"


class RealSessionView(APIView):
    """`POST /api/training/real-session`, as the seed's clients call it."""

    @extend_schema(
        request=StartSessionSerializer,
        examples=REAL_SESSION_EXAMPLES,
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT, 500: OpenApiTypes.OBJECT},
        description="Runs a session and answers when it is done; with `Prefer: respond-async` answers 202 at once.",
    )
    def post(self, request: Request) -> Response:
        user = request.user if isinstance(request.user, User) else None
        try:
            session = real_session.start(request.data, user)
            if "respond-async" in request.headers.get("Prefer", ""):
                body = {"success": True, "data": {"run": session.public_id, "state": session.state}}
                return Response(
                    body, status=status.HTTP_202_ACCEPTED, headers={"Location": _address(session)}
                )
            return Response(real_session.envelope(real_session.wait(session)))
        except (TrainingDayError, ValueError) as error:
            return Response(
                {"success": False, "error": str(error)}, status=status.HTTP_500_INTERNAL_SERVER_ERROR
            )


def _accepted(run: TrainingSession | SessionReplay, code: int) -> Response:
    if isinstance(run, SessionReplay):
        data = SessionReplaySerializer(run).data
    else:
        data = TrainingSessionSerializer(run).data
    return Response(data, status=code, headers={"Location": _address(run)})


def _address(run: Run) -> str:
    return f"/api/v1/runs/{run.public_id}/"
