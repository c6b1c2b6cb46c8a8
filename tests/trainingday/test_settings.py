"""Configuration: production settings are clean, and unsafe ones refuse to start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_web_processes_do_not_load_torch(tmp_path: Path) -> None:
    code = (
        "import sys, trainingday.asgi\nfrom django.urls import get_resolver\nget_resolver().url_patterns\n"
        "print([name for name in ('torch', 'stable_baselines3', 'optuna') if name in sys.modules])"
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
