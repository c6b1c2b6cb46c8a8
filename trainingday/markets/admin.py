"""Admin of markets; datasets and test windows can only be read there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from trainingday.markets.models import Dataset, ImportProfile, Market, TestWindow
from trainingday.stats.gate import level_price


@admin.register(Market)
class MarketAdmin(admin.ModelAdmin[Market]):
    list_display = [
        "slug",
        "symbol",
        "venue",
        "interval",
        "calendar",
        "fee",
        "slippage",
        "bars_per_year",
        "alpha",
    ]
    list_filter = ["venue", "interval", "calendar"]
    search_fields = ["symbol", "slug"]
    fields = [
        ("slug", "created_at"),
        ("symbol", "venue", "interval"),
        "calendar",
        ("fee", "slippage"),
        "bars_per_year",
        ("alpha", "price_of_the_level"),
    ]
    readonly_fields = ["slug", "created_at", "price_of_the_level"]

    @admin.display(description="what the exam level costs")
    def price_of_the_level(self, market: Market) -> str:
        return f"{level_price(market.alpha)} A change holds from the next exam on and is audited."

    def get_readonly_fields(self, request: HttpRequest, obj: Market | None = None) -> list[str]:
        # the series that datasets belong to cannot turn into another one
        return [*self.readonly_fields, *(["symbol", "venue", "interval"] if obj else [])]


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin):
    list_display = ["market", "version", "n_rows", "first_at", "last_at", "sha256", "source", "created_at"]
    list_select_related = ["market"]
    list_filter = ["market"]


@admin.register(TestWindow)
class TestWindowAdmin(ReadOnlyAdmin):
    list_display = ["market", "first_at", "last_at", "opened_at"]
    list_select_related = ["market"]


@admin.register(ImportProfile)
class ImportProfileAdmin(ReadOnlyAdmin):
    list_display = ["name", "saved_by", "created_at"]
    list_select_related = ["saved_by"]
