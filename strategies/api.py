"""The API of tournaments, strategies, exams, champions and signals."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from strategies import queries, services
from strategies.genealogy import PARAMETERS, TreeFilter, read_genealogy
from strategies.models import Champion, Look, Strategy, StrategyPerformance, Tournament
from strategies.serializers import (
    ChampionSerializer,
    GenealogySerializer,
    LookSerializer,
    PerformanceSerializer,
    ReasonSerializer,
    RollBackSerializer,
    SignalSerializer,
    StartTournamentSerializer,
    StrategyDetailSerializer,
    StrategySerializer,
    TournamentDetailSerializer,
    TournamentSerializer,
)
from strategies.signals import market_signal
from trainingday.markets.queries import query_market
from trainingday.permissions import ReadOrAdminister
from trainingday.rest import LeanLists, idempotency_key, refuse_parameters_but
from trainingday.runs.api_docs import HASH, describes_start
from trainingday.runs.models import Trigger
from trainingday.typing import JSONDict

DIGITS = "[0-9]{1,18}"
TOURNAMENT_EXAMPLES: dict[str, JSONDict] = {
    "With defaults": {"market": "BTCUSD-1h"},
    "Sizes, seed and search": {
        "market": "BTCUSD-1h", "n_generations": 20, "population_size": 80, "seed": 7, "search": "nsga2",
    },
}  # fmt: skip
SIGNAL_EXAMPLES: dict[str, JSONDict] = {
    "A champion": {
        "market": "BTCUSD-1h", "state": "champion", "position": 1.0, "since": "2026-01-04T16:00:00Z",
        "bar": "2026-01-05T02:00:00Z", "decided_at": "2026-01-05T03:00:00Z", "age_seconds": 41.5, "is_stale": False,
        "dataset": {"version": 3, "sha256": HASH},
        "champion": {
            "id": 6, "strategy": "momentum lookback=49 threshold=0.001", "family": "momentum",
            "since": "2025-11-08T07:11:20Z", "reason": "Passed.", "decay_alarm": False,
            "exam": {"verdict": "passed", "p_value": 0.002, "level": 0.005, "n_bars": 600, "n_trades": 80, "comparisons": []},
        },
    },
    "No champion: hold nothing": {
        "market": "BTCUSD-1h", "state": "no_champion", "position": None, "since": None, "bar": None,
        "decided_at": None, "age_seconds": None, "is_stale": False, "dataset": None, "champion": None,
    },
}  # fmt: skip
TOURNAMENT_QUEUED = {
    "dataset_hash": HASH, "run": "tournament-241", "is_part": False, "n_generations": 20, "n_entrants": 0, "winner": None, "winner_sharpe": None,
    "verdict": "", "configuration": {},
}  # fmt: skip


class TournamentViewSet(
    LeanLists, mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Tournament]
):
    queryset = queries.query_tournaments()
    unlisted = ("history", "summary", "dataset__quality")
    filterset_fields = ["state", "market__slug", "verdict", "is_part"]
    ordering_fields = ["created_at", "winner_sharpe", "n_entrants"]
    lookup_value_regex = DIGITS

    def get_serializer_class(self) -> Any:
        if self.action == "create":
            return StartTournamentSerializer
        return TournamentDetailSerializer if self.action == "retrieve" else TournamentSerializer

    @describes_start(StartTournamentSerializer, TournamentSerializer, TOURNAMENT_EXAMPLES, TOURNAMENT_QUEUED)
    def create(self, request: Request) -> Response:
        """Start a tournament; 202 with its run's address, 200 if the Idempotency-Key has started it already."""
        fields = StartTournamentSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        given = dict(fields.validated_data)
        if "seed_from" in given:
            given["seed_from"] = queries.query_past_tournament(given["seed_from"])
        key, user = idempotency_key(request), _user(request)
        known = bool(key) and Tournament.objects.filter(requested_by=user, idempotency_key=key).exists()
        tournament = services.request_tournament(
            query_market(given.pop("market")), trigger=Trigger.API, user=user, idempotency_key=key, **given
        )
        return Response(
            TournamentSerializer(tournament).data,
            status=status.HTTP_200_OK if known else status.HTTP_202_ACCEPTED,
            headers={"Location": f"/api/v1/runs/{tournament.public_id}/"},
        )

    @extend_schema(
        responses=GenealogySerializer,
        parameters=[
            OpenApiParameter("uid", str, description="Only this individual and its ancestors."),
            OpenApiParameter("from", int, description="First generation."),
            OpenApiParameter("to", int, description="Last generation."),
            OpenApiParameter("survivors", int, description="1: only who has a descendant in the last one."),
            OpenApiParameter("family", str, description="Only this family."),
        ],
    )
    @action(detail=True, methods=["get"])
    def genealogy(self, request: Request, pk: str | None = None) -> Response:
        """The family tree: nodes are individuals, edges run from parent to child."""
        refuse_parameters_but(request, {*PARAMETERS})
        tournament = get_object_or_404(Tournament, pk=pk)
        tree = read_genealogy(tournament, TreeFilter.from_query(request.query_params))
        return Response(GenealogySerializer(tree).data)


class StrategyViewSet(viewsets.ReadOnlyModelViewSet[Strategy]):
    queryset = Strategy.objects.select_related("market")
    filterset_fields = ["market__slug", "family"]
    ordering_fields = ["created_at", "family"]
    lookup_value_regex = DIGITS

    def get_serializer_class(self) -> Any:
        return StrategyDetailSerializer if self.action == "retrieve" else StrategySerializer

    def get_permissions(self) -> Any:
        return [ReadOrAdminister()] if self.action == "promote" else super().get_permissions()

    @extend_schema(request=ReasonSerializer, responses={201: ChampionSerializer})
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, pk: str | None = None) -> Response:
        """Make it champion again, where evidence has made it champion before; admins, with a reason."""
        champion = services.promote(self.get_object(), reason=_reason(request), user=_admin(request))
        return Response(ChampionSerializer(champion).data, status=status.HTTP_201_CREATED)


class PerformanceViewSet(viewsets.ReadOnlyModelViewSet[StrategyPerformance]):
    queryset = queries.query_performances()
    serializer_class = PerformanceSerializer
    filterset_fields = ["tournament", "generation", "operator", "strategy_name", "uid"]
    ordering_fields = ["generation", "rank", "fitness", "sharpe_ratio"]
    lookup_value_regex = DIGITS


class LookViewSet(viewsets.ReadOnlyModelViewSet[Look]):
    queryset = queries.query_looks()
    serializer_class = LookSerializer
    filterset_fields = ["market__slug", "verdict", "is_charged"]
    ordering_fields = ["created_at"]
    lookup_value_regex = DIGITS


class ChampionViewSet(viewsets.ReadOnlyModelViewSet[Champion]):
    queryset = Champion.objects.select_related("market", "strategy__market", "decided_by", "record")
    serializer_class = ChampionSerializer
    permission_classes = [ReadOrAdminister]
    filterset_fields = {"market__slug": ["exact"], "until": ["isnull"]}
    ordering_fields = ["since"]
    lookup_value_regex = DIGITS

    @extend_schema(request=RollBackSerializer, responses={200: ChampionSerializer, 204: None})
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, pk: str | None = None) -> Response:
        """Take up an earlier reign again; 204 where there was none and the market has no champion now."""
        fields = RollBackSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        to = fields.validated_data.get("to")
        target = None if to is None else get_object_or_404(Champion, pk=to)
        reason, user = fields.validated_data["reason"], _admin(request)
        champion = services.roll_back(self.get_object(), reason=reason, user=user, to=target)
        if champion is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(ChampionSerializer(champion).data)

    @extend_schema(request=ReasonSerializer, responses={204: None})
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: str | None = None) -> Response:
        """End the reign and leave the market without a champion."""
        services.retire(self.get_object(), reason=_reason(request), user=_admin(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SignalView(APIView):
    """The champion's position for the latest bar of a market, since when, why, and whether it is stale."""

    @extend_schema(
        responses=SignalSerializer,
        parameters=[
            OpenApiParameter("market", str, required=True, description="Slug, for example SP500-1d.")
        ],
        examples=[OpenApiExample(name, value=value) for name, value in SIGNAL_EXAMPLES.items()],
    )
    def get(self, request: Request) -> Response:
        refuse_parameters_but(request, {"market"})
        name = request.query_params.get("market", "")
        if not name:
            raise ValidationError({"market": ["This parameter is required."]})
        if "\x00" in name:
            raise ValidationError({"market": ["Null characters are not allowed."]})
        return Response(SignalSerializer(market_signal(query_market(name))).data)


def _reason(request: Request) -> str:
    fields = ReasonSerializer(data=request.data)
    fields.is_valid(raise_exception=True)
    return str(fields.validated_data["reason"])


def _user(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _admin(request: Request) -> User:
    assert isinstance(request.user, User)  # the permission class has refused everyone else
    return request.user
