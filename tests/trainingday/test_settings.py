"""Configuration: production settings are clean, and unsafe ones refuse to start."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainingday.checks import check_configuration

ROOT = Path(__file__).resolve().parents[2]
SAFE = {
    "SECRET_KEY": "Zx8-" + "q7Lm2Vn9" * 8,
    "TRAININGDAY_ARTIFACT_KEYS": "k1:" + "ab" * 32,
    "ALLOWED_HOSTS": "training.example.org",
    "TRAININGDAY_ENV_FILE": os.devnull,
}


def manage(tmp_path: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = kept | SAFE | {"TRAININGDAY_HOME": str(tmp_path)} | changes
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_production_settings_pass_the_deployment_checks(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY should be set"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS should name hosts, holds *"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS should name at least 1 host"),
        ({"DEBUG": "true"}, "DEBUG should be off"),
        ({"TRAININGDAY_ARTIFACT_KEYS": ""}, "TRAININGDAY_ARTIFACT_KEYS should hold"),
        ({"TRAININGDAY_ARTIFACT_KEYS": "k1:abcd"}, "TRAININGDAY_ARTIFACT_KEYS should hold"),
    ],
)
def test_unsafe_settings_refuse_every_command(
    changes: dict[str, str], complaint: str, tmp_path: Path
) -> None:
    done = manage(tmp_path, "migrate", "--plan", **changes)
    assert done.returncode != 0
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({"LOCAL": False}, set()),
        ({"LOCAL": False, "SECRET_KEY": "short"}, {"trainingday.E006"}),
        ({"LOCAL": False, "SECRET_KEY": "x" * 80}, {"trainingday.E006"}),
        ({"LOCAL": False, "SECRET_KEY": "django-insecure-" + SAFE["SECRET_KEY"]}, {"trainingday.E006"}),
        ({"LOCAL": True, "ALLOWED_HOSTS": ["localhost", "training.example.org"]}, {"trainingday.E007"}),
        ({"LOCAL": True, "ALLOWED_HOSTS": ["*"]}, {"trainingday.E001", "trainingday.E007"}),
        ({"LOCAL": True, "ALLOWED_HOSTS": ["localhost", "[::1]"], "SECRET_KEY": "short"}, set()),
    ],
)
def test_a_default_key_and_a_quick_start_that_serves_others_are_refused(
    changes: dict[str, object], ids: set[str], settings: Any
) -> None:
    safe = {"SECRET_KEY": SAFE["SECRET_KEY"], "ALLOWED_HOSTS": ["training.example.org"], "DEBUG": False}
    for name, value in (safe | changes).items():
        setattr(settings, name, value)
    assert {message.id for message in check_configuration(None)} == ids


def test_web_processes_do_not_load_torch(tmp_path: Path) -> None:
    code = (
        "import sys, trainingday.asgi\nfrom django.urls import get_resolver\nget_resolver().url_patterns\n"
        "print([name for name in ('torch', 'stable_baselines3', 'optuna', 'distributed') if name in sys.modules])"
    )
    environment = (
        os.environ
        | SAFE
        | {"TRAININGDAY_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "trainingday.settings"}
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
