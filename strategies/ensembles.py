"""Ensembles of entrants: the frozen list of members as a signed file, and what it trades."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strategies.library.ensemble import Ensemble
from strategies.models import Strategy
from strategies.store import artifact_store, cached_members
from trainingday.bars import Bars
from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.typing import FloatArray, JSONDict

ENSEMBLE = Ensemble()
KIND = "ensemble"
MAX_CORRELATION = 0.9


@dataclass(frozen=True)
class Member:
    """One member: a strategy as it was when the ensemble was frozen."""

    family: str
    parameters: Mapping[str, float]
    artifact: str
    fingerprint: str

    @classmethod
    def of(cls, strategy: Strategy) -> Member:
        """Return the member that a strategy becomes; an ensemble has no ensembles in it."""
        if strategy.family == ENSEMBLE.name:
            raise InvalidArgument(f"members should be no ensembles, {strategy.label} is one")
        return cls(strategy.family, strategy.parameters, strategy.artifact, strategy.fingerprint)

    @property
    def label(self) -> str:
        values = " ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())
        return f"{self.family} {values or self.artifact[:10]}".strip()


def freeze_members(members: Sequence[Member]) -> str:
    """Store a list of members as a signed, content-addressed file; return its name."""
    rows: list[JSONDict] = [
        {
            "family": member.family,
            "parameters": dict(member.parameters),
            "artifact": member.artifact,
            "fingerprint": member.fingerprint,
        }
        for member in members
    ]
    weights = np.full(len(members), 1.0 / len(members))
    return artifact_store().save({"weights": weights}, {"kind": KIND, "members": rows})


def load_members(artifact: str) -> list[Member]:
    """Return the members of a frozen ensemble.

    Raises
    ------
    ArtifactRejected
        If the file is not as it was signed, or no ensemble.
    """
    manifest = cached_members(artifact)
    if manifest.get("kind") != KIND:
        raise ArtifactRejected(f"artefact {artifact[:12]} should be an ensemble, is {manifest.get('kind')}")
    return [Member(**row) for row in manifest["members"]]


def ensemble_positions(
    artifact: str,
    parameters: Mapping[str, float],
    bars: Bars,
    member_positions: Callable[[str, Mapping[str, float], str, Bars], FloatArray],
) -> FloatArray:
    """Return an ensemble's target positions, shape (n_bars,).

    `member_positions` returns those of (family, parameters, artefact, bars).
    """
    rows = [
        member_positions(one.family, one.parameters, one.artifact, bars) for one in load_members(artifact)
    ]
    return ENSEMBLE.combine(np.stack(rows), parameters)


def pick_different(returns: Iterable[FloatArray], n: int) -> list[int]:
    """Return the first n indices whose returns are not those of an earlier choice over again.

    Parameters
    ----------
    returns : iterable of ndarray of shape (n_returns,)
        On validation, the fittest first; read no further than needed.
    n : int

    Notes
    -----
    A candidate whose correlation with a chosen one exceeds 0.9 adds nothing but its cost. One that never
    traded has no correlation and is left out.
    """
    chosen: dict[int, FloatArray] = {}
    for index, candidate in enumerate(returns):
        is_different = candidate.std() > 0 and all(
            abs(float(np.corrcoef(candidate, other)[0, 1])) <= MAX_CORRELATION for other in chosen.values()
        )
        if is_different:
            chosen[index] = candidate
        if len(chosen) == n:
            break
    return list(chosen)
