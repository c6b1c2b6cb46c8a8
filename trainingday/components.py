"""Small pieces of HTML that stand many times on a page, put together without a template: that takes five times as long."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from trainingday import display

WHY_UNDEFINED = "Undefined: not measured, or too little data to define it"
SORT_MARKS = {"ascending": "▲", "descending": "▼", "none": "↕"}
UNDEFINED = format_html('<abbr class="undefined" title="{}">–</abbr>', WHY_UNDEFINED)


@lru_cache(maxsize=256)
def badge(tone: str, word: str) -> SafeString:
    return format_html('<span class="badge badge-{}">{}</span>', tone, word)


@lru_cache(maxsize=256)
def nav_link(url: str, label: str, *, is_current: bool) -> SafeString:
    current = SafeString(' aria-current="page"' if is_current else "")
    return format_html('<li><a href="{}"{}>{}</a></li>', url, current, label)


def sort_header(query: str, label: str, order: str, css: str) -> SafeString:
    """Return the head of a column that sorts; `order` is "ascending", "descending" or "none"."""
    return format_html(
        '<th scope="col"{} aria-sort="{}"><a href="?{}">{}<span class="sort-mark" aria-hidden="true">{}</span></a></th>',
        format_html(' class="{}"', css) if css else "",
        order,
        query,
        label,
        SORT_MARKS[order],
    )


def compare_box(pk: Any, name: Any) -> SafeString:
    return format_html(
        '<input type="checkbox" form="compare" name="id" value="{}" aria-label="Compare {}">', pk, name
    )


def sparkline(values: Sequence[Any], label: str, tone: str) -> SafeString:
    """Return a small line without axes; with fewer than two values it says so."""
    points, n = display.sparkline(values), len(values)
    if not points:
        return format_html('<abbr class="undefined" title="Too few values to draw: n = {}">–</abbr>', n)
    return format_html(
        '<svg class="sparkline tone-{}" width="96" height="22" viewBox="0 0 96 22" role="img" '
        'aria-label="{label}, {n} values"><title>{label}, n = {n}</title><polyline points="{}" fill="none" '
        'stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"/></svg>',
        tone,
        SafeString(points),
        label=label,
        n=n,
    )


def interval(rate: Any, low: Any, high: Any, base: Any) -> SafeString:
    """Return a rate with its interval and base rate on a line from 0 to 100 %, "" without the rate."""
    if not display.is_defined(rate):
        return SafeString()
    x_rate, x_low, x_high, x_base = (_place(value) for value in (rate, low, high, base))
    words = format_html(
        "{}, 95 % interval {} to {}, base rate {}",
        *(SafeString(display.percent(value)) for value in (rate, low, high, base)),
    )
    ends = f'<line class="range" x1="{x_low}" y1="9" x2="{x_high}" y2="9"/>' if x_low and x_high else ""
    mark = f'<line class="base" x1="{x_base}" y1="2" x2="{x_base}" y2="16"/>' if x_base else ""
    return SafeString(
        '<svg class="interval tone-validation" width="120" height="18" viewBox="0 0 120 18" role="img" '
        f'aria-label="{words}"><title>{words}</title><line class="axis" x1="4" y1="9" x2="116" y2="9"/>{ends}{mark}'
        f'<circle class="estimate" cx="{x_rate}" cy="9" r="3"/></svg>'
    )


def _place(value: Any) -> str:
    return str(round(4 + 112 * value, 1)) if display.is_defined(value) else ""
