"""Pattern: what recurs, when it counts, how long it is held and in which direction."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainingday.exceptions import InvalidArgument
from trainingday.typing import JSONDict

LONG, SHORT = 1, -1
MAX_LETTERS = 9
MAX_WORDS = 20_000
_ID = re.compile(
    r"w(?P<window>\d+)(?:a(?P<letters>\d))?-(?P<word>\d+)-(?P<volatility>any|vol[0-2])"
    r"-(?P<volume>any|volume[0-2])(?:-trend(?P<trend>[0-2]))?(?:-place(?P<place>[0-2]))?"
    r"-h(?P<horizon>\d+)-(?P<direction>long|short)"
)
# What a candidate may ask of the market beside the word, in the order of its name.
REGIMES = ("volatility", "volume", "trend", "place")
_NAMED = REGIMES[:2]  # in every name, "any" included; the others only where they are asked for
_SHORT = {"volatility": "vol"}


@dataclass(frozen=True)
class Shape:
    """How a window of closes becomes a word.

    Attributes
    ----------
    window : bars in a window.
    n_segments : letters in a word; divides the window.
    n_letters : size of the alphabet, 2..9.
    """

    window: int = 50
    n_segments: int = 5
    n_letters: int = 3

    def __post_init__(self) -> None:
        if not 2 <= self.n_letters <= MAX_LETTERS:
            raise InvalidArgument(f"n_letters should be 2..{MAX_LETTERS}, is {self.n_letters}")
        if self.n_segments < 2:
            raise InvalidArgument(f"n_segments should be >= 2, is {self.n_segments}")
        if self.window < 2 * self.n_segments or self.window % self.n_segments:
            raise InvalidArgument(
                f"window should be a multiple of {self.n_segments} segments and >= {2 * self.n_segments},"
                f" is {self.window}"
            )
        if self.n_words > MAX_WORDS:
            raise InvalidArgument(
                f"n_letters ** n_segments should be <= {MAX_WORDS}, is {self.n_letters}**{self.n_segments}"
            )

    @property
    def n_words(self) -> int:
        return int(self.n_letters**self.n_segments)

    def letters(self, word: int) -> str:
        """Return the word's letters, the oldest segment first: 17 is "00122"."""
        if not 0 <= word < self.n_words:
            raise InvalidArgument(f"word should be 0..{self.n_words - 1}, is {word}")
        digits = ""
        for _ in range(self.n_segments):
            word, digit = divmod(word, self.n_letters)
            digits = str(digit) + digits
        return digits


@dataclass(frozen=True)
class RegimeCuts:
    """Terciles of the train segment: two bounds each, or None where the feature was left out.

    Attributes
    ----------
    volatility : bounds of the trailing volatility, fraction per bar.
    volume : bounds of the short-term mean volume over the long-term one.
    trend : bounds of the long-term log return in units of volatility.
    place : bounds of the close's place in the long-term range, 0 lowest, 1 highest.
    """

    volatility: tuple[float, float] | None
    volume: tuple[float, float] | None
    trend: tuple[float, float] | None = None
    place: tuple[float, float] | None = None


@dataclass(frozen=True)
class Pattern:
    """A word in a regime, with the horizon and the direction of its trade.

    Attributes
    ----------
    word : the word's number, oldest letter most significant.
    volatility, volume, trend, place : regime 0 (low), 1, 2 (high), or None for any.
    horizon : bars that the position is held.
    direction : 1 long, -1 short.
    cuts : the bounds that define its regimes, from the train segment that it was found with.
    """

    shape: Shape
    word: int
    volatility: int | None
    volume: int | None
    horizon: int
    direction: int
    cuts: RegimeCuts
    trend: int | None = None
    place: int | None = None

    def __post_init__(self) -> None:
        self.shape.letters(self.word)
        if self.horizon < 1:
            raise InvalidArgument(f"horizon should be >= 1 bar, is {self.horizon}")
        if self.direction not in (LONG, SHORT):
            raise InvalidArgument(f"direction should be 1 or -1, is {self.direction}")
        for name in REGIMES:
            regime = getattr(self, name)
            if regime not in (None, 0, 1, 2):
                raise InvalidArgument(f"{name} should be 0, 1, 2 or None, is {regime}")
            if regime is not None and getattr(self.cuts, name) is None:
                raise InvalidArgument(f"cuts should hold bounds of {name} for regime {regime}, hold none")

    @property
    def id(self) -> str:
        """Return the stable name: the same pattern found again has the same one, whatever its cuts."""
        shape = self.shape
        names = "-".join(
            self.regime_name(name) for name in REGIMES if name in _NAMED or getattr(self, name) is not None
        )
        alphabet = "" if shape.n_letters == 3 else f"a{shape.n_letters}"
        direction = "long" if self.direction == LONG else "short"
        return f"w{shape.window}{alphabet}-{self.letters}-{names}-h{self.horizon}-{direction}"

    @property
    def letters(self) -> str:
        return self.shape.letters(self.word)

    def regime_name(self, name: str) -> str:
        """Return "any", or the regime that the pattern asks for, such as "vol2"."""
        regime = getattr(self, name)
        return "any" if regime is None else f"{_SHORT.get(name, name)}{regime}"

    def as_dict(self) -> JSONDict:
        """Return what `Pattern.from_dict` needs, JSON-safe."""
        # Bounds of trend and place only where there are any: a set's name is the hash of its definition.
        cuts = {
            name: list(bounds) if bounds else None
            for name, bounds in vars(self.cuts).items()
            if bounds or name in _NAMED
        }
        return {"id": self.id, "cuts": cuts}

    @classmethod
    def from_dict(cls, stored: JSONDict) -> Pattern:
        """Return the pattern that `as_dict` described."""
        bounds = {
            name: None if pair is None else (float(pair[0]), float(pair[1]))
            for name, pair in stored["cuts"].items()
        }
        return cls.from_id(str(stored["id"]), RegimeCuts(**bounds))

    @classmethod
    def from_id(cls, pattern_id: str, cuts: RegimeCuts) -> Pattern:
        """Return the pattern of an id such as "w50-00122-vol2-any-h10-long".

        Raises
        ------
        InvalidArgument
            If the id does not have that form, or names a regime that `cuts` has no bounds for.
        """
        match = _ID.fullmatch(pattern_id)
        if match is None:
            raise InvalidArgument(
                f'pattern id should look like "w50-00122-vol2-any-h10-long", is "{pattern_id}"'
            )
        n_letters = int(match["letters"] or 3)
        shape = Shape(int(match["window"]), len(match["word"]), n_letters)
        if any(int(digit) >= n_letters for digit in match["word"]):
            raise InvalidArgument(f'letters of "{pattern_id}" should be 0..{n_letters - 1}')
        volatility, volume, trend, place = (
            None if match[name] in ("any", None) else int(match[name][-1]) for name in REGIMES
        )
        direction = LONG if match["direction"] == "long" else SHORT
        word = int(match["word"], n_letters)
        return cls(shape, word, volatility, volume, int(match["horizon"]), direction, cuts, trend, place)
