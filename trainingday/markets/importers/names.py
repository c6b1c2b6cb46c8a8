"""Column names: what traders' files call time, prices and volume."""

from __future__ import annotations

import re

PRICES = ("open", "high", "low", "close")

# The first alias that a file has wins, so that "close" beats "last".
ALIASES: dict[str, tuple[str, ...]] = {
    "time": (
        "unix", "unixtime", "unixtimestamp", "epoch", "timestamp", "timestampms", "ts", "opentime", "timeopen",
        "datetime", "dateandtime", "dt", "candletime", "starttime", "begin", "start", "timeutc", "utctime",
        "utc", "datetimeutc", "dateutc", "gmttime", "datetimegmt", "localtime", "barstart", "time", "t", "date",
        "day", "tradingday", "dtyyyymmdd", "period", "indexlevel0", "index", "unnamed0", "",
    ),
    "close_time": ("closetime", "timeclose", "endtime", "end", "barend"),
    "date": ("date", "day", "tradingday", "dtyyyymmdd"),
    "clock": ("time", "clock", "hour", "timeofday"),
    "open": ("open", "o", "openprice", "priceopen", "first", "opening"),
    "high": ("high", "h", "highprice", "pricehigh", "max", "hi"),
    "low": ("low", "l", "lowprice", "pricelow", "min", "lo"),
    "close": ("close", "c", "closeprice", "priceclose", "last", "lastprice", "closelast", "settle", "price"),
    "volume": ("volume", "vol", "v", "basevolume", "volumebase", "baseassetvolume", "totalvolume",
               "tradevolume", "shares", "tickvol", "tickvolume"),
    "quote_volume": ("quotevolume", "volumequote", "quoteassetvolume", "quotevol", "turnover", "notional",
                     "amount", "value"),
    "adj_open": ("adjopen",),
    "adj_high": ("adjhigh",),
    "adj_low": ("adjlow",),
    "adj_close": ("adjclose", "adjustedclose", "closeadj"),
    "adj_volume": ("adjvolume",),
}  # fmt: skip
QUOTE_CURRENCIES = {
    "usd",
    "usdt",
    "usdc",
    "busd",
    "dai",
    "eur",
    "gbp",
    "jpy",
    "krw",
    "chf",
    "cad",
    "aud",
    "quote",
}
GROUPED = re.compile(r"^(?P<group>[^:]{1,20}):(?P<name>open|high|low|close|volume)$", re.IGNORECASE)


def key(name: str) -> str:
    """Return a column name reduced to small letters and digits: "Adj. Close" and "adj_close" are equal."""
    without_number = re.sub(r"^\s*\d+[a-z]?\s*\.\s*", "", name.lower())  # Alpha Vantage writes "1. open"
    return re.sub(r"[^a-z0-9]", "", without_number)


def clean_label(name: str) -> str:
    """Return a column name fit for a message or a page: without line ends and other control characters."""
    return "".join(character if character.isprintable() else " " for character in name).strip()[:80]


def find_role(names: dict[str, int], role: str) -> int | None:
    """Return the column that plays a role, by the first alias present; `names` maps keys to columns."""
    return next((names[alias] for alias in ALIASES[role] if alias in names), None)


def count_prices(fields: list[str]) -> int:
    """Return how many of open, high, low, close a line of fields names."""
    keys = {key(match["name"] if (match := GROUPED.match(field.strip())) else field) for field in fields}
    return sum(any(alias in keys for alias in ALIASES[role]) for role in PRICES)


def volume_columns(names: dict[str, int]) -> dict[str, int]:
    """Return the volume columns by key: plain names, and "Volume BTC" or "volume_usd" style names."""
    found = {}
    for name, column in names.items():
        if name.startswith(("taker", "adj")):
            continue
        plain = name in ALIASES["volume"] or name in ALIASES["quote_volume"]
        if plain or (name.startswith("volume") and len(name) <= 12):
            found[name] = column
    return found


def says_quote(name: str) -> bool:
    """Return whether a volume column's key names a quote currency."""
    return name in ALIASES["quote_volume"] or name.removeprefix("volume") in QUOTE_CURRENCIES


def looks_numeric(field: str) -> bool:
    """Return whether a field is a value rather than a name: it begins like a number or a date."""
    return bool(re.match(r"^\s*[+-]?[0-9.]", field))
