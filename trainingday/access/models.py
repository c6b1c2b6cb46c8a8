"""API tokens with a scope, used idempotency keys, and the counts behind the rate limits."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from knox.models import AbstractAuthToken

LAST_USE_EVERY = timedelta(minutes=1)


class ApiToken(AbstractAuthToken):
    """Lets a script act as its user, within its scope; only a hash of it is stored."""

    class Scope(models.TextChoices):
        READ = "read", "read: may change nothing"
        OPERATE = "operate", "operate: whatever your role may do"

    name = models.CharField(max_length=60, blank=True, default="", help_text="What it is for.")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.READ)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"token {self.token_key}… of {self.user}"

    def mark_used(self) -> None:
        """Store that it was used, at most once a minute: a read must not cost a write each time."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > LAST_USE_EVERY:
            type(self).objects.filter(pk=self.pk).update(last_used_at=now)


class RequestKey(models.Model):
    """An Idempotency-Key that someone has used at an address, and what they sent with it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=200)
    key = models.CharField(max_length=100)
    body_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "path", "key"], name="access_one_body_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.key} at {self.path}"


class RateCount(models.Model):
    """How often someone did something in the current window; one row for each limit and person."""

    key = models.CharField(max_length=200, unique=True)
    window = models.BigIntegerField()
    count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.key}: {self.count}"
