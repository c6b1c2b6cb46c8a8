"""Admin of strategies, tournaments, exams and champions: read-only, for they are facts.

Champions change through `strategies.services`, which asks for a reason; sealed numbers appear nowhere.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from strategies.models import (
    Champion,
    ForwardRecord,
    ForwardStretch,
    LatestPosition,
    Look,
    Strategy,
    StrategyPerformance,
    Tournament,
    ValidationRecord,
)
from strategies.queries import public_decision
from trainingday.runs.admin import ReadOnlyAdmin


@admin.register(Strategy)
class StrategyAdmin(ReadOnlyAdmin):
    list_display = ["id", "market", "family", "parameters", "artifact", "created_at"]
    list_filter = ["family", "market"]
    list_select_related = ["market"]


@admin.register(Tournament)
class TournamentAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "market",
        "state",
        "n_generations",
        "n_entrants",
        "winner",
        "winner_sharpe",
        "verdict",
    ]
    list_filter = ["state", "verdict", "is_part"]
    list_select_related = ["market", "winner"]


@admin.register(StrategyPerformance)
class StrategyPerformanceAdmin(ReadOnlyAdmin):
    list_display = ["uid", "tournament", "strategy_name", "generation", "operator", "rank", "sharpe_ratio"]
    list_filter = ["operator", "strategy_name"]
    list_select_related = ["tournament"]


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin):
    list_display = ["id", "market", "strategy", "run_kind", "run_pk", "is_charged", "level", "verdict"]
    list_filter = ["verdict", "is_charged"]
    list_select_related = ["market", "strategy"]
    exclude = ["decision", "p_value"]
    readonly_fields = ["public_decision"]

    @admin.display(description="Decision")
    def public_decision(self, look: Look) -> Any:
        return public_decision(look)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields


@admin.register(ValidationRecord)
class ValidationRecordAdmin(ReadOnlyAdmin):
    list_display = ["id", "market", "test_window", "strategy", "run_kind", "run_pk", "score"]
    list_select_related = ["market", "test_window", "strategy"]


@admin.register(Champion)
class ChampionAdmin(ReadOnlyAdmin):
    list_display = ["market", "strategy", "since", "until", "reason", "decided_by"]
    list_filter = ["market"]
    list_select_related = ["market", "strategy", "decided_by"]


@admin.register(ForwardRecord)
class ForwardRecordAdmin(ReadOnlyAdmin):
    list_display = ["market", "strategy", "n_bars", "after_us", "until_us", "problem"]
    list_filter = ["market"]
    list_select_related = ["market", "strategy"]


@admin.register(ForwardStretch)
class ForwardStretchAdmin(ReadOnlyAdmin):
    list_display = ["record", "dataset", "first_us", "last_us", "n_bars"]
    list_select_related = ["record__strategy", "dataset__market"]
    exclude = ["content"]


@admin.register(LatestPosition)
class LatestPositionAdmin(ReadOnlyAdmin):
    list_display = ["strategy", "dataset", "position", "since_us", "bar_us"]
    list_select_related = ["strategy", "dataset__market"]
    exclude = ["walks"]
