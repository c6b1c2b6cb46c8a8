"""What the API shows of the honesty benchmark."""

from __future__ import annotations

from rest_framework import serializers, viewsets

from sessions.models import HonestyRun


class HonestyRunSerializer(serializers.ModelSerializer[HonestyRun]):
    """One run of the benchmark; `results` are its lines: rates are fractions with 95 % intervals."""

    command = serializers.CharField(read_only=True, help_text="Repeats it.")

    class Meta:
        model = HonestyRun
        fields = [
            "id", "parts", "n_markets", "n_trained", "seed", "results", "has_passed", "seconds", "command",
            "created_at",
        ]  # fmt: skip


class HonestyRunViewSet(viewsets.ReadOnlyModelViewSet[HonestyRun]):
    queryset = HonestyRun.objects.all()
    serializer_class = HonestyRunSerializer
    filterset_fields = ["has_passed"]
    ordering_fields = ["created_at"]
    lookup_value_regex = "[0-9]{1,18}"
