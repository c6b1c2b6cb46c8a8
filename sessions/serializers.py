"""What the API shows and takes of sessions, trials and models."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from sessions.models import ModelVersion, SessionReplay, TrainingSession, Trial
from sessions.rl.presets import PRESETS
from sessions.services import MAX_SEED, MAX_TRIALS
from trainingday.fields import MarketField
from trainingday.rest import RefuseUnknownFields


class StrictIntegerField(serializers.IntegerField):
    """A whole number in ASCII digits, never a boolean."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool):
            raise serializers.ValidationError("Expected a number, not a boolean.")
        if isinstance(data, str) and not (data.isascii() and data.lstrip("-").isdigit()):
            raise serializers.ValidationError("A valid integer in ASCII digits is required.")
        return super().to_internal_value(data)


class TrainingSessionSerializer(serializers.ModelSerializer[TrainingSession]):
    """One session. `baseline_sharpe` and `new_sharpe` are of the validation segment."""

    run = serializers.CharField(source="public_id", read_only=True)
    market = serializers.CharField(source="market.slug", read_only=True)
    dataset = serializers.IntegerField(source="dataset.version", read_only=True)

    class Meta:
        model = TrainingSession
        fields = [
            "id", "run", "market", "dataset", "dataset_hash", "preset", "state", "stage", "progress", "trigger",
            "seed", "generation", "baseline_sharpe", "new_sharpe", "improvement_percent", "hyperparams_tested",
            "patterns_discovered", "model_path", "verdict", "reason", "duration", "cpu_seconds", "attempts",
            "configuration", "environment", "created_at", "started_at", "finished_at",
        ]  # fmt: skip


class TrainingSessionDetailSerializer(TrainingSessionSerializer):
    class Meta(TrainingSessionSerializer.Meta):
        fields = [*TrainingSessionSerializer.Meta.fields, "report"]


class StartSessionSerializer(RefuseUnknownFields, serializers.Serializer[Any]):
    """What starting a session takes."""

    market = MarketField()
    preset = serializers.ChoiceField(choices=sorted(PRESETS), default="standard")
    seed = StrictIntegerField(required=False, min_value=0, max_value=MAX_SEED)
    n_trials = StrictIntegerField(required=False, min_value=1, max_value=MAX_TRIALS)


class SessionReplaySerializer(serializers.ModelSerializer[SessionReplay]):
    """One replay: `result` is "same_bits", "different_bits", or "" until it is known."""

    run = serializers.CharField(source="public_id", read_only=True)
    market = serializers.CharField(source="market.slug", read_only=True)
    session = serializers.IntegerField(source="original_id", read_only=True)

    class Meta:
        model = SessionReplay
        fields = [
            "id", "run", "session", "market", "state", "stage", "progress", "result", "difference", "checked",
            "n_values", "environment", "environment_differences", "reason", "created_at", "started_at", "finished_at",
        ]  # fmt: skip


class TrialSerializer(serializers.ModelSerializer[Trial]):
    class Meta:
        model = Trial
        fields = [
            "id", "session", "index", "state", "hyperparameters", "seed", "score", "intermediate", "reason",
            "seconds", "n_steps", "weights_hash", "created_at",
        ]  # fmt: skip


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """One model version; its validation metrics are of the fit on train alone."""

    market = serializers.CharField(source="market.slug", read_only=True)

    class Meta:
        model = ModelVersion
        fields = [
            "id", "market", "number", "session", "parent", "stage", "stage_reason", "algorithm", "hyperparameters",
            "seed", "dataset", "train_first_us", "train_last_us", "artifact", "weights_hash", "members", "validation",
            "validation_sharpe", "settings_choice", "overlay", "warm_start", "signature", "created_at",
        ]  # fmt: skip


class UploadModelSerializer(serializers.Serializer[Any]):
    """A signed export: the three files that a model's export gives."""

    market = serializers.CharField(max_length=90, help_text="Slug, for example SP500-1d.")
    weights = serializers.FileField(help_text="The .safetensors file.")
    manifest = serializers.FileField(help_text="The .json file.")
    signature = serializers.FileField(help_text="The .sig file.")
