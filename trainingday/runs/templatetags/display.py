"""Template filters and small components that every page uses: `{% load display %}`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.core.paginator import Page
from django.template.context import Context
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from trainingday import components, display
from trainingday.charts import Chart

register = template.Library()
register.filter("day_of", display.day_of)
register.filter("after_verdict", display.after_verdict)

STATE_TONES = {
    "succeeded": "good", "complete": "good", "confirmed": "good", "same_bits": "good", "valid": "good", "champion": "good", "passed": "good",
    "started": "good", "running": "live", "queued": "wait", "waiting": "wait", "candidate": "wait",
    "failed": "bad", "different_bits": "bad", "refused": "bad", "pruned": "dim", "cancelled": "dim", "retired": "dim", "rejected": "dim",
    "no_challenger": "dim", "baseline": "dim", "not_proven": "warn", "cannot_tell": "warn", "no_exam_left": "warn",
    "skipped:overlap": "warn", "skipped:missed": "warn",
}  # fmt: skip
RUN_PAGES = {
    "session": "sessions:detail",
    "tournament": "strategies:tournament",
    "scan": "patterns:scan",
    "replay": "sessions:replay",
    "report": "sessions:written-report",
    "download": "downloads:detail",
}
WORDS = {
    "same_bits": "same bits",
    "different_bits": "different bits",
    "not_proven": "not proven",
    "cannot_tell": "cannot tell",
    "no_exam_left": "no exam left",
    "no_challenger": "no challenger",
    "skipped:overlap": "skipped: still active",
    "skipped:missed": "skipped: no worker in time",
}


def _undefined_or(text: str) -> SafeString | str:
    return components.UNDEFINED if text == display.UNDEFINED else text


def _figure(text: str) -> SafeString:
    """Return what holds digits, signs and units only, so nothing to escape."""
    return components.UNDEFINED if text == display.UNDEFINED else SafeString(text)


@register.filter
def num(value: Any, digits: int = 2) -> SafeString:
    return _figure(display.number(value, digits))


@register.filter
def signed(value: Any, digits: int = 2) -> SafeString:
    return _figure(display.signed(value, digits))


@register.filter
def percent(value: Any, digits: int = 1) -> SafeString:
    return _figure(display.percent(value, digits))


@register.filter
def points(value: Any, digits: int = 1) -> SafeString:
    """A difference of two fractions in percentage points."""
    return _figure(display.points(value, digits))


@register.filter
def sig(value: Any, digits: int = 3) -> SafeString | str:
    return _undefined_or(display.significant(value, digits))


@register.filter
def count(value: Any) -> SafeString:
    return _figure(display.number(value, 0))


@register.filter
def duration(seconds: Any) -> SafeString:
    return _figure(display.duration(seconds))


@register.filter
def when(value: Any) -> SafeString | str:
    """A time in UTC; the browser adds how long ago in a tooltip."""
    if value is None:
        return components.UNDEFINED
    return SafeString(f'<time datetime="{value.isoformat()}">{display.moment(value)}</time>')


@register.filter
def ago(value: Any) -> SafeString | str:
    if value is None:
        return components.UNDEFINED
    seconds = (timezone.now() - value).total_seconds()
    text = f"{display.largest_unit(seconds)} ago" if seconds >= 0 else f"in {display.duration(-seconds)}"
    return SafeString(
        f'<time datetime="{value.isoformat()}" title="{display.moment(value)} UTC">{text}</time>'
    )


@register.filter
def badge(state: str) -> SafeString:
    """A state as a word on its tone; the word carries the meaning, the colour only helps."""
    if not state:
        return components.UNDEFINED
    return components.badge(STATE_TONES.get(state, "dim"), WORDS.get(state, state))


@register.filter
def short_hash(value: str) -> SafeString | str:
    if not value:
        return components.UNDEFINED
    return format_html('<code title="{}">{}</code>', value, value[:12])


@register.filter
def item(mapping: Any, key: str) -> Any:
    """Return mapping[key], None where either is absent: reports are tolerant of missing keys."""
    return mapping.get(key) if isinstance(mapping, dict) else None


@register.simple_tag
def sparkline(values: Any, label: str, tone: str = "validation") -> SafeString:
    return components.sparkline(list(values or []), label, tone)


@register.simple_tag
def compare_box(pk: Any, name: Any) -> SafeString:
    """What ticks a row for the page Compare."""
    return components.compare_box(pk, name)


@lru_cache(maxsize=256)
def _address(name: str, urlconf: str, prefix: str) -> str:
    try:
        return reverse(name, urlconf)
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def nav_link(context: Context, name: str, label: str) -> SafeString:
    """A link of the main navigation; nothing where the address does not exist."""
    url = _address(name, settings.ROOT_URLCONF, get_script_prefix())
    if not url:
        return SafeString()
    path = context["request"].path if "request" in context else ""
    return components.nav_link(url, label, is_current=path == url if url == "/" else path.startswith(url))


@register.inclusion_tag("components/pages.html", takes_context=True)
def pages(context: Context, page: Page[Any]) -> dict[str, Any]:
    """Links to the other pages that keep every filter; a permalink for each state of the list."""
    query = context["request"].GET.copy()
    query.pop("page", None)
    return {
        "page": page,
        "query": query.urlencode(),
        "numbers": page.paginator.get_elided_page_range(page.number),
    }


@register.simple_tag(takes_context=True)
def sort_header(context: Context, field: str, label: str, css: str = "") -> SafeString:
    """A column header that sorts; a second click turns the order round."""
    request = context["request"]
    current = request.GET.get("sort", "")
    query = request.GET.copy()
    query.pop("page", None)
    query["sort"] = f"-{field}" if current == field else field
    order = {field: "ascending", f"-{field}": "descending"}.get(current, "none")
    return components.sort_header(query.urlencode(), label, order, css)


@register.inclusion_tag("components/chart.html")
def chart(drawn: Chart, name: str, title: str, size: str = "", live: str = "") -> dict[str, Any]:
    """A plot with the table behind it; `live` lets the page's script add points."""
    return {"chart": drawn, "data_id": f"{name}-data", "title": title, "size": size, "live": live}


@register.filter
def words(text: str) -> list[str]:
    return text.split()


@register.filter
def run_url(public_id: str) -> str:
    """Return the page of a run named like "session-12", "" where its kind has none."""
    kind, _, pk = str(public_id).rpartition("-")
    name = RUN_PAGES.get(kind)
    return reverse(name, args=[int(pk)]) if name and pk.isdigit() else ""


@register.filter
def pluck(rows: Any, key: str) -> list[Any]:
    """Return one value of each dict in a list."""
    return [row.get(key) for row in rows or [] if isinstance(row, dict)]


@register.filter
def look_run(look: Any) -> str:
    return f"{look.run_kind}-{look.run_pk}"


@register.simple_tag
def interval(rate: Any, low: Any, high: Any, base: Any) -> SafeString:
    """A rate with its interval and base rate on a line from 0 to 100 %."""
    return components.interval(rate, low, high, base)


@register.filter
def strategy(label: Any) -> SafeString:
    """A strategy's label with its parameters below its family."""
    family, _, rest = str(label or "").partition(" ")
    if not family:
        return components.UNDEFINED
    if not rest:
        return format_html("{}", family)
    return format_html(
        '{}<br><span class="dim small nowrap">{}</span>', family, rest.replace(" ", ", ").replace("=", " ")
    )
