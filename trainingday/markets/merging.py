"""Two stretches of one market's bars as one; where both have a bar it must be the same."""

from __future__ import annotations

import numpy as np

from trainingday.bars import Bars
from trainingday.exceptions import ImportRefused

COLUMNS = ("open", "high", "low", "close", "volume")


def merge_bars(stored: Bars, added: Bars, keep: str | None) -> Bars:
    """Return the bars of both in time order.

    Parameters
    ----------
    stored, added : Bars
        Of one market.
    keep : {"first", "last"} or None
        Which of two different bars of one time stays, the stored or the added; None refuses.

    Raises
    ------
    ImportRefused
        `conflicting_duplicates`, naming the first such time.
    """
    _, at_stored, at_added = np.intersect1d(
        stored.timestamps, added.timestamps, assume_unique=True, return_indices=True
    )
    differs = np.zeros(at_stored.size, dtype=np.bool_)
    for name in COLUMNS:
        differs |= getattr(stored, name)[at_stored] != getattr(added, name)[at_added]
    if differs.any() and keep is None:
        first = stored.timestamps[at_stored][differs][0].astype("datetime64[us]").astype("datetime64[m]")
        raise ImportRefused(
            "conflicting_duplicates",
            f"{int(differs.sum()):,} new bars differ from stored bars of the same time, the first at "
            f"{str(first).replace('T', ' ')} UTC; choose which to keep",
        )
    new = np.ones(len(added), dtype=np.bool_)
    old = np.ones(len(stored), dtype=np.bool_)
    if keep == "last":
        old[at_stored] = False
    else:
        new[at_added] = False
    stamps = np.concatenate((stored.timestamps[old], added.timestamps[new]))
    order = np.argsort(stamps, kind="stable")
    columns = (
        np.concatenate((getattr(stored, name)[old], getattr(added, name)[new]))[order] for name in COLUMNS
    )
    return Bars.create(stamps[order], *columns)
