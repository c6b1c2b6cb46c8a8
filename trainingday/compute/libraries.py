"""Which libraries a result may depend on, and in which versions they are here."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version

LIBRARIES = ("numpy", "numba", "torch", "stable-baselines3", "optuna", "scipy", "gymnasium")


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}
