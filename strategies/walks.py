"""What models hold bar by bar, network by network, kept so that a walk over more bars goes on from there."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from strategies.store import cached_model
from trainingday.bars import Bars
from trainingday.typing import FloatArray, PathArray


class Walks:
    """The paths of every model that positions were asked of, on one series of bars.

    Parameters
    ----------
    known : mapping of artefact to ndarray of shape (n_members, n_known), int8
        Paths on bars that begin with the same features: only what comes after them is computed.
    """

    def __init__(self, known: Mapping[str, PathArray] | None = None) -> None:
        self._known = known or {}
        self._made: dict[str, PathArray] = {}

    def model_positions(self, artifact: str, bars: Bars) -> FloatArray:
        """Return the positions of a trained model after its overlays, shape (n_bars,), and keep its paths."""
        model = cached_model(artifact)
        paths = model.policy.paths_on(bars, self._known.get(artifact))
        self._made[artifact] = paths
        return model.positions_of_paths(bars, paths)

    def to_bytes(self) -> bytes:
        """Return the paths as one compressed block; b"" where no model was asked."""
        if not self._made:
            return b""
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **self._made)
        return file.getvalue()

    @classmethod
    def going_on(cls, content: bytes | memoryview, n_known: int) -> Walks:
        """Return the walks that go on from the first n_known bars of what `to_bytes` gave."""
        if not content:
            return cls()
        with np.load(io.BytesIO(content), allow_pickle=False) as paths:
            return cls({artifact: paths[artifact][:, :n_known] for artifact in paths.files})
