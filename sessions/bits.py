"""Two runs compared value by value: equal to the last bit, or the first place where they part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MISSING = "missing"
MAX_SHOWN = 200


class BitsDiffer(Exception):
    """The first difference between an original and its replay.

    Attributes
    ----------
    where : str
        Such as "trial 3, score".
    original, replayed : str
        The values as JSON, numbers with all their digits.
    """

    def __init__(self, where: str, original: Any, replayed: Any) -> None:
        self.where, self.original, self.replayed = where, _shown(original), _shown(replayed)
        super().__init__(f"{where}: {self.original} became {self.replayed}")


def compare(where: str, original: Any, replayed: Any) -> int:
    """Return how many values were compared; raise BitsDiffer at the first that is not equal.

    Both are first written as JSON and read back, as the original was: a float survives that with every bit.
    """
    ours, theirs = _stored(original), _stored(replayed)
    n_values = 0
    for path, left, right in _leaves(ours, theirs):
        if left != right or type(left) is not type(right):
            raise BitsDiffer(", ".join([where, *path]), left, right)
        n_values += 1
    return n_values


def _stored(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


def _leaves(left: Any, right: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield (path, left, right) for every leaf that either side has."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys([*left, *right]):
            yield from _leaves(left.get(key, MISSING), right.get(key, MISSING), (*path, key))
    elif isinstance(left, list) and isinstance(right, list):
        for place in range(max(len(left), len(right))):
            ours = left[place] if place < len(left) else MISSING
            theirs = right[place] if place < len(right) else MISSING
            yield from _leaves(ours, theirs, (*path, str(place)))
    else:
        yield path, left, right


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
