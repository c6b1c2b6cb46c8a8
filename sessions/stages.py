"""A model's stage follows its market's title, however that changes hands."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from sessions.models import ModelVersion
from strategies.hooks import champion_changed
from strategies.models import Champion


@receiver(champion_changed, dispatch_uid="sessions_follow_champion")
def follow_champion(sender: Any, old: Champion | None, new: Champion | None, **kwargs: Any) -> None:
    """Retire the models of the old champion and raise those of the new one, in the caller's transaction."""
    if old is not None:
        reigning = ModelVersion.objects.filter(strategy=old.strategy, stage=ModelVersion.Stage.CHAMPION)
        reigning.update(
            stage=ModelVersion.Stage.RETIRED, stage_reason=f"followed by {new.strategy}" if new else "retired"
        )
    if new is not None:
        crowned = ModelVersion.objects.filter(strategy=new.strategy).exclude(
            stage=ModelVersion.Stage.BASELINE
        )
        crowned.update(stage=ModelVersion.Stage.CHAMPION, stage_reason=new.reason)
