"""What the API shows and takes of strategies, tournaments, exams, champions and signals."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from strategies import queries
from strategies.ensembles import Member
from strategies.genealogy import Genealogy
from strategies.leaderboard import leaderboard
from strategies.models import Champion, Look, Strategy, StrategyPerformance, Tournament
from strategies.plans import GENETIC, MAX_GENERATIONS, POPULATION_RANGE, SEARCHES
from strategies.services import MAX_SEED
from strategies.signals import Signal
from strategies.strategy_page import StrategyPage
from trainingday.access.reasons import REASON_LENGTH
from trainingday.fields import MarketField
from trainingday.rest import RefuseUnknownFields


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction, or ASCII digits; never a boolean."""

    def to_internal_value(self, data: Any) -> int:
        is_digits = isinstance(data, str) and data.isascii() and data.lstrip("-").isdigit()
        if isinstance(data, bool) or not (isinstance(data, int) or is_digits):
            raise serializers.ValidationError("A whole number in ASCII digits is required.")
        return super().to_internal_value(data)


class StrategySerializer(serializers.ModelSerializer[Strategy]):
    market = serializers.CharField(source="market.slug", read_only=True)
    label: Any = serializers.CharField(read_only=True)

    class Meta:
        model = Strategy
        fields = ["id", "market", "family", "parameters", "artifact", "fingerprint", "label", "created_at"]


class MemberSerializer(serializers.Serializer[Member]):
    family = serializers.CharField()
    parameters = serializers.JSONField()
    artifact = serializers.CharField()
    fingerprint = serializers.CharField()


class StrategyDetailSerializer(StrategySerializer):
    """One strategy; `members` are those that an ensemble was frozen with, of everything else none."""

    members = serializers.SerializerMethodField()

    class Meta(StrategySerializer.Meta):
        fields = [*StrategySerializer.Meta.fields, "members"]

    @extend_schema_field(MemberSerializer(many=True))
    def get_members(self, strategy: Strategy) -> list[dict[str, Any]]:
        return [asdict(member) for member, _ in StrategyPage(strategy).members]


class TournamentSerializer(serializers.ModelSerializer[Tournament]):
    """One tournament. All its scores are of validation; the test segment stays sealed."""

    run = serializers.CharField(source="public_id", read_only=True)
    market = serializers.CharField(source="market.slug", read_only=True)
    dataset = serializers.IntegerField(source="dataset.version", read_only=True)
    dataset_hash = serializers.CharField(source="dataset.sha256", read_only=True)
    winner = StrategySerializer(read_only=True)

    class Meta:
        model = Tournament
        fields = [
            "id", "run", "market", "dataset", "dataset_hash", "state", "stage", "progress", "trigger", "is_part",
            "seed", "n_generations", "n_entrants", "winner", "winner_sharpe", "verdict", "reason", "attempts",
            "configuration", "created_at", "started_at", "finished_at",
        ]  # fmt: skip


class TournamentDetailSerializer(TournamentSerializer):
    leaderboard = serializers.SerializerMethodField()

    class Meta(TournamentSerializer.Meta):
        fields = [*TournamentSerializer.Meta.fields, "history", "summary", "leaderboard"]

    def get_leaderboard(self, tournament: Tournament) -> list[dict[str, Any]]:
        return [line.as_dict() for line in leaderboard(tournament)]


class StartTournamentSerializer(RefuseUnknownFields, serializers.Serializer[Any]):
    """What starting a tournament takes."""

    market = MarketField()
    n_generations = WholeNumberField(default=10, min_value=1, max_value=MAX_GENERATIONS)
    population_size = WholeNumberField(
        default=40, min_value=POPULATION_RANGE[0], max_value=POPULATION_RANGE[1]
    )
    seed = WholeNumberField(required=False, min_value=0, max_value=MAX_SEED)
    search = serializers.ChoiceField(
        choices=list(SEARCHES), default=GENETIC, help_text="nsga2 breeds for fitness, drawdown and turnover."
    )
    seed_from = WholeNumberField(
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        help_text="A past tournament whose fittest found it.",
    )


class ReasonSerializer(RefuseUnknownFields, serializers.Serializer[Any]):
    """Why a person changes the champion."""

    reason = serializers.CharField(min_length=REASON_LENGTH[0], max_length=REASON_LENGTH[1])


class RollBackSerializer(ReasonSerializer):
    to = WholeNumberField(
        required=False, min_value=1, max_value=2**63 - 1, help_text="An earlier reign; else the one before."
    )


class PerformanceSerializer(serializers.ModelSerializer[StrategyPerformance]):
    """One individual of a tournament with its parents. Scores are of validation."""

    parameters = serializers.JSONField(source="strategy.parameters", read_only=True)
    artifact = serializers.CharField(source="strategy.artifact", read_only=True)
    parents: Any = serializers.SlugRelatedField(many=True, read_only=True, slug_field="uid")

    class Meta:
        model = StrategyPerformance
        fields = [
            "id", "tournament", "uid", "strategy", "strategy_name", "parameters", "artifact", "generation",
            "operator", "parents", "mutation", "fitness", "sharpe_ratio", "total_return", "max_drawdown",
            "win_rate", "n_trades", "turnover", "sharpe_double_costs", "rank", "created_at",
        ]  # fmt: skip


class NodeSerializer(serializers.Serializer[Any]):
    uid = serializers.CharField()
    family = serializers.CharField()
    label: Any = serializers.CharField()
    parameters = serializers.JSONField()
    strategy = serializers.IntegerField()
    generation = serializers.IntegerField()
    rank = serializers.IntegerField(allow_null=True)
    operator = serializers.CharField()
    mutation = serializers.JSONField()
    fitness = serializers.FloatField(allow_null=True)
    sharpe_ratio = serializers.FloatField(allow_null=True)


class EdgeSerializer(serializers.Serializer[Any]):
    source: Any = serializers.CharField(help_text="uid of the parent.")
    target = serializers.CharField(help_text="uid of the child.")
    operator = serializers.CharField()


class GenealogySerializer(serializers.Serializer[Genealogy]):
    nodes = NodeSerializer(many=True)
    edges = EdgeSerializer(many=True)


class LookSerializer(serializers.ModelSerializer[Look]):
    """One use of a test window. After any verdict but "passed" the decision holds no test number."""

    market = serializers.CharField(source="market.slug", read_only=True)
    strategy = StrategySerializer(read_only=True)
    run = serializers.SerializerMethodField()
    decision = serializers.SerializerMethodField()

    class Meta:
        model = Look
        fields = [
            "id", "market", "test_window", "strategy", "run", "is_charged", "level", "verdict", "decision",
            "created_at",
        ]  # fmt: skip

    def get_run(self, look: Look) -> str:
        return f"{look.run_kind}-{look.run_pk}"

    def get_decision(self, look: Look) -> dict[str, Any]:
        return queries.public_decision(look)


class ChampionSerializer(serializers.ModelSerializer[Champion]):
    market = serializers.CharField(source="market.slug", read_only=True)
    strategy = StrategySerializer(read_only=True)
    is_current = serializers.SerializerMethodField()
    decided_by = serializers.CharField(source="decided_by.username", read_only=True, default=None)
    since_promotion: Any = serializers.JSONField(
        source="record.standing", read_only=True, default=None, help_text="See forward-records."
    )

    class Meta:
        model = Champion
        fields = [
            "id", "market", "strategy", "is_current", "since", "until", "reason", "decided_by", "look",
            "forward", "restores", "ended_reason", "since_promotion",
        ]  # fmt: skip

    def get_is_current(self, champion: Champion) -> bool:
        return champion.until is None


class SignalSerializer(serializers.Serializer[Signal]):
    market = serializers.CharField()
    state = serializers.ChoiceField(choices=["champion", "no_champion"])
    position = serializers.FloatField(allow_null=True)
    since = serializers.DateTimeField(allow_null=True)
    bar = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    age_seconds = serializers.FloatField(allow_null=True)
    is_stale = serializers.BooleanField()
    dataset = serializers.JSONField(allow_null=True)
    champion = serializers.JSONField(allow_null=True)
