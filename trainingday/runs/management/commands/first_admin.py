"""Creates the first admin with a random password, which is printed once."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand

from trainingday.permissions import ADMIN


class Command(BaseCommand):
    help = "Create the user admin with a random password, unless an admin exists."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(is_superuser=True).exists():
            self.stdout.write("An admin exists; no password was changed.")
            return
        password = secrets.token_urlsafe(12)
        admin = User.objects.create_superuser("admin", password=password)
        admin.groups.add(Group.objects.get(name=ADMIN))
        self.stdout.write(
            f"Sign in as admin with the password {password}  (shown once; change it under /admin/)"
        )
