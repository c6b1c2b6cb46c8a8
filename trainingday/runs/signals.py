"""After migrations: the three groups and the one django-q2 schedule exist; a saved schedule is planned."""

from typing import Any

from auditlog.registry import auditlog
from django.contrib.auth.models import Group
from django.db.models.signals import post_migrate, post_save
from django.dispatch import receiver

from trainingday.permissions import ROLES
from trainingday.runs.models import TrainingSchedule
from trainingday.runs.schedules import plan

auditlog.register(TrainingSchedule, exclude_fields=["next_run_at"])


@receiver(post_migrate, dispatch_uid="runs_essentials")
def create_essentials(app_config: Any, **kwargs: Any) -> None:
    if app_config.label != "runs":
        return
    for role in ROLES:
        Group.objects.get_or_create(name=role)
    from django_q.models import Schedule

    Schedule.objects.update_or_create(
        name="chores",
        defaults={
            "func": "trainingday.runs.tasks.chores",
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
            "repeats": -1,
        },
    )


@receiver(post_save, sender=TrainingSchedule, dispatch_uid="runs_plan_schedule")
def plan_saved_schedule(instance: TrainingSchedule, **kwargs: Any) -> None:
    plan(instance)
