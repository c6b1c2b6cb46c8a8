"""What a market's page shows, gathered in one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainingday.display import thin
from trainingday.exceptions import ArtifactRejected, NotEnoughBars
from trainingday.markets.candles import draw_candles
from trainingday.markets.exchange.exchanges import EXCHANGES
from trainingday.markets.models import Dataset, Market, TestWindow, moment
from trainingday.markets.queries import query_bars, query_split, query_test_window
from trainingday.stats.gate import level_price
from trainingday.typing import JSONDict

TABLE_ROWS = 100
SEGMENTS = ("train", "validation", "test", "forward")


@dataclass(frozen=True)
class Segment:
    """One segment of the split: bars, first and last time, and its place on a bar of 1,000 units."""

    name: str
    n: int
    first: str
    last: str
    x: int
    width: int


@dataclass(frozen=True)
class MarketPage:
    """The newest dataset (or a chosen one) with its quality report, candles and split."""

    market: Market
    dataset: Dataset | None
    versions: list[Dataset]
    window: TestWindow | None
    candles: JSONDict
    segments: list[Segment]
    problem: str

    @property
    def level_price(self) -> str:
        return level_price(self.market.alpha)

    @property
    def may_refresh(self) -> bool:
        """Return whether the market's bars can be fetched from its exchange."""
        return self.dataset is not None and self.market.venue in EXCHANGES

    @property
    def quality(self) -> JSONDict:
        return self.dataset.quality if self.dataset else {}

    @property
    def coverage(self) -> list[JSONDict]:
        """Return the cells of the coverage strip: place, and a class by the share of bars present."""
        shares = self.quality.get("coverage", [])
        width = 1000 / max(len(shares), 1)
        return [
            {"x": round(index * width, 2), "width": round(width, 2), "grade": _grade(share), "share": share}
            for index, share in enumerate(shares)
        ]

    @property
    def candle_rows(self) -> list[tuple[Any, ...]]:
        """Return the chart's candles as table rows, every one of at most 100."""
        names = ("x", "open", "high", "low", "close", "volume")
        rows = list(zip(*(self.candles.get(name, []) for name in names), strict=True))
        return thin(rows, TABLE_ROWS)

    @property
    def gaps(self) -> list[JSONDict]:
        listed = self.quality.get("gaps", {}).get("largest", [])
        return [
            {"after": moment(gap["after_us"]), "until": moment(gap["until_us"]), "n": gap["n_missing"]}
            for gap in sorted(listed, key=lambda gap: -gap["n_missing"])
        ]

    @property
    def odd_bars(self) -> list[JSONDict]:
        odd = [*self.quality.get("possible_splits", []), *self.quality.get("odd_bars", [])]
        return [{"at": moment(bar["at_us"]), "kind": bar["kind"], "ratio": bar["ratio"]} for bar in odd]


def market_page(market: Market, version: int | None = None) -> MarketPage:
    """Return what the page of a market shows; raises Dataset.DoesNotExist for an unknown version."""
    versions = list(Dataset.objects.filter(market=market).order_by("-version").defer("quality")[:50])
    rows = Dataset.objects.filter(market=market).order_by("-version")
    dataset = rows.first() if version is None else rows.get(version=version)
    if dataset is None:
        return MarketPage(market, None, [], None, {}, [], "")
    dataset.market = market
    try:
        bars = query_bars(dataset)
    except ArtifactRejected as error:
        return MarketPage(market, dataset, versions, query_test_window(market), {}, [], str(error))
    segments, problem = _segments(dataset, bars)
    return MarketPage(
        market, dataset, versions, query_test_window(market), draw_candles(bars), segments, problem
    )


def _segments(dataset: Dataset, bars: Any) -> tuple[list[Segment], str]:
    try:
        split = query_split(dataset, bars=bars)
    except NotEnoughBars as error:
        return [], str(error)
    segments = []
    for name in SEGMENTS:
        part = getattr(split, name)
        if part.stop <= part.start:
            continue
        first, last = (moment(int(bars.timestamps[bar])) for bar in (part.start, part.stop - 1))
        x = round(1000 * part.start / len(bars))
        width = max(1, round(1000 * part.stop / len(bars)) - x)
        segments.append(
            Segment(
                name, part.stop - part.start, f"{first:%Y-%m-%d %H:%M}", f"{last:%Y-%m-%d %H:%M}", x, width
            )
        )
    return segments, ""


def _grade(share: float) -> str:
    if share >= 0.999:
        return "full"
    return "none" if share <= 0.001 else "part"
