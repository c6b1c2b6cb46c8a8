from __future__ import annotations

from typing import Any

from rest_framework import serializers

from trainingday.runs.models import Run, RunEvent, TrainingSchedule


class RunSerializer(serializers.Serializer[Run]):
    """What every kind of run shows."""

    id = serializers.IntegerField(source="pk", read_only=True)
    run = serializers.CharField(source="public_id", read_only=True)
    kind = serializers.CharField(read_only=True)
    market = serializers.CharField(source="market.slug", read_only=True)
    state = serializers.CharField(read_only=True)
    trigger = serializers.CharField(read_only=True)
    seed = serializers.IntegerField(read_only=True)
    stage = serializers.CharField(read_only=True)
    progress = serializers.FloatField(read_only=True)
    attempts = serializers.IntegerField(read_only=True)
    reason = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    started_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)


class RunEventSerializer(serializers.ModelSerializer[RunEvent]):
    class Meta:
        model = RunEvent
        fields = ["seq", "kind", "payload", "created_at"]


class TrainingScheduleSerializer(serializers.ModelSerializer[TrainingSchedule]):
    market: Any = serializers.CharField(source="market.slug", read_only=True)

    class Meta:
        model = TrainingSchedule
        fields = ["id", "name", "job", "market", "preset", "cron", "time_zone", "is_enabled", "next_run_at"]


class WorkerSerializer(serializers.Serializer[dict[str, Any]]):
    host = serializers.CharField()
    cluster = serializers.CharField()
    seen_at = serializers.DateTimeField()
    age_seconds = serializers.FloatField()
    is_silent = serializers.BooleanField()
