"""Fields of the API that take a value as what it is: text as text."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class MarketField(serializers.CharField):
    """A market's slug, as JSON text; the market itself is looked up by the service."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 90)
        kwargs.setdefault("help_text", "Slug, for example SP500-1d.")
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("A slug is required, such as SP500-1d.")
        return super().to_internal_value(data)
