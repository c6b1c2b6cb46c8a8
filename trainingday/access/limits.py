"""Rate limits in fixed windows: so many uses of one thing by one person in so many seconds.

Log-ins, imports and writes are counted in the database, so a limit holds however many processes and hosts
serve. Reads are counted in the cache, for a write to the database on each read would cost more than the
read: with REDIS_URL that count is shared as well; without it, or while Redis is away, each process counts for
itself (`manage.py up` runs one). So losing Redis neither refuses a reader nor lifts the limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from time import monotonic
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import BaseCache, caches
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from trainingday.access.models import RateCount

CACHED = {"read"}
SECONDS_WITHOUT_CACHE = 30.0
View = Callable[..., Any]
log = structlog.get_logger(__name__)
_cache_fails_until = float("-inf")


def take(name: str, who: str) -> int:
    """Count one use and return the seconds to wait before the next, 0 while the limit is not passed."""
    limit, seconds = settings.TRAININGDAY_RATE_LIMITS[name]
    window, left = _window(seconds)
    count = _count_cached if name in CACHED else _count_stored
    return left if count(f"{name}:{who}", window, seconds) > limit else 0


def seconds_to_wait(name: str, who: str) -> int:
    """Return the seconds to wait where the limit of a stored count is reached, 0 otherwise; counts nothing."""
    limit, seconds = settings.TRAININGDAY_RATE_LIMITS[name]
    window, left = _window(seconds)
    is_reached = RateCount.objects.filter(key=f"{name}:{who}", window=window, count__gte=limit).exists()
    return left if is_reached else 0


def forget(name: str, who: str) -> None:
    RateCount.objects.filter(key=f"{name}:{who}").delete()


def limited(name: str) -> Callable[[View], View]:
    """Decorate a page so that its POSTs are counted by user and answer 429 beyond the limit."""

    def decorate(view: View) -> View:
        @wraps(view)
        def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST" and (wait := take(name, str(request.user.pk))):
                return too_many(request, wait)
            response: HttpResponse = view(request, *args, **kwargs)
            return response

        return counted

    return decorate


def too_many(request: HttpRequest, wait: int) -> HttpResponse:
    response = render(request, "429.html", {"wait": wait}, status=429)
    response["Retry-After"] = str(wait)
    return response


def client_address(request: HttpRequest) -> str:
    """Return where a request comes from; a proxy's word counts only where settings trust it.

    The proxy appends the address that it saw, so the last entry is the one that a client cannot forge.
    """
    if settings.TRUST_PROXY_HEADERS and (forwarded := request.headers.get("X-Forwarded-For")):
        return forwarded.rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def _window(seconds: int) -> tuple[int, int]:
    """Return the number of the current window, and the seconds until it ends, at least 1."""
    now = time.time()
    return int(now // seconds), max(1, round(seconds - now % seconds))


def _count_cached(key: str, window: int, seconds: int) -> int:
    """Count in the cache; in this process's own for half a minute after that failed, so that no read waits for it."""
    global _cache_fails_until
    name = f"limit:{key}:{window}"
    if monotonic() >= _cache_fails_until:
        try:
            return _count_in(caches["default"], name, seconds)
        except Exception as error:
            _cache_fails_until = monotonic() + SECONDS_WITHOUT_CACHE
            log.warning("cache is away, reads are counted by each process", error=str(error))
    return _count_in(caches["own"], name, seconds)


def _count_in(cache: BaseCache, name: str, seconds: int) -> int:
    cache.add(name, 0, timeout=seconds)
    try:
        return int(cache.incr(name))
    except ValueError:  # it expired between the two
        return 1


def _count_stored(key: str, window: int, seconds: int) -> int:
    rows = RateCount.objects.filter(key=key)
    try:
        with transaction.atomic():
            if rows.filter(window=window).update(count=F("count") + 1):
                return rows.values_list("count", flat=True).get()
            if not rows.update(window=window, count=1):
                RateCount.objects.create(key=key, window=window, count=1)
                _forget_old(key, window)
            return 1
    except IntegrityError:  # another process has just made the row
        return _count_stored(key, window, seconds)


def _forget_old(key: str, window: int) -> None:
    """Delete the counts of this limit that no longer matter, whoever made them."""
    name = key.partition(":")[0]
    RateCount.objects.filter(key__startswith=f"{name}:", window__lt=window).delete()
