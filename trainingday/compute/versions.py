"""What a result may depend on beside its inputs: this code, and the libraries below it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numpy", "numba", "torch", "stable-baselines3", "optuna", "scipy", "gymnasium")
PACKAGES = ("trainingday", "sessions", "strategies", "patterns")
ROOT = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1)
def code_versions() -> dict[str, str]:
    """Return the version of each library, and a digest of this code as "training-day"."""
    return {"training-day": code_digest(ROOT), **{name: version(name) for name in LIBRARIES}}


def code_digest(root: Path) -> str:
    """Return the first 12 digits of a SHA-256 over the packages' modules, migrations left out."""
    digest = hashlib.sha256()
    files = (path for package in PACKAGES for path in (root / package).rglob("*.py"))
    for path in sorted(path for path in files if "migrations" not in path.parts):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
