"""List pages, made one way: filters, sort, pages, export, and a permalink for every state of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from trainingday.exports import CONTENT_TYPES, export
from trainingday.pages import PAGE_SIZE, asks_for

Row = Any


@dataclass(frozen=True)
class Choice:
    """A filter that offers choices.

    Attributes
    ----------
    name, label : str
        The query parameter, and what people read beside it.
    lookup : str
        The field that a chosen value is compared with.
    choices : callable
        Returns (value, label) pairs; called once a page.
    everything : str
        What the choice of no value is called.
    """

    name: str
    label: str
    lookup: str
    choices: Callable[[], Iterable[tuple[Any, str]]]
    everything: str = "All"


@dataclass(frozen=True)
class Column:
    """A column of the export: its name, and a dotted attribute or a function of a row."""

    name: str
    value: str | Callable[[Row], Any] = ""

    def of(self, row: Row) -> Any:
        if callable(self.value):
            return self.value(row)
        value = attrgetter(self.value or self.name)(row)
        return value() if callable(value) else value


@dataclass(frozen=True)
class Listing:
    """What a list page lists and how it may be narrowed, ordered and exported.

    Attributes
    ----------
    name : str
        "sessions": the name of exported files, and of what the page Compare compares if `is_comparable`.
    sorts : mapping of str to str
        Names of orders and their fields; "-name" is the reverse.
    default : tuple
        The order where none, or an unknown one, is asked for; it also breaks ties.
    unread : tuple of str
        Fields that neither page nor export shows, such as long JSON: they stay in the database.
    """

    name: str
    columns: Sequence[Column]
    filters: Sequence[Choice] = ()
    sorts: Mapping[str, str] = field(default_factory=dict)
    default: tuple[Any, ...] = ("-pk",)
    is_comparable: bool = False
    unread: tuple[str, ...] = ()

    def read(self, request: HttpRequest, rows: QuerySet[Any]) -> ListPage:
        return ListPage(self, request, rows)


@dataclass(frozen=True)
class BoundChoice:
    """A filter with its choices and the value that the address holds."""

    name: str
    label: str
    value: str
    everything: str
    choices: Sequence[tuple[str, str]]


class ListPage:
    """One state of a list, as the address asks for it; a value that no filter offers lists nothing."""

    def __init__(self, listing: Listing, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self.listing = listing
        self.request = request
        self._rows = rows.defer(*listing.unread) if listing.unread else rows
        self.sort = request.GET.get("sort", "")

    @cached_property
    def filters(self) -> list[BoundChoice]:
        return [
            BoundChoice(
                choice.name,
                choice.label,
                self.request.GET.get(choice.name, ""),
                choice.everything,
                [(str(value), label) for value, label in choice.choices()],
            )
            for choice in self.listing.filters
        ]

    @cached_property
    def chosen(self) -> dict[str, str]:
        """Return the filters in force."""
        return {bound.name: bound.value for bound in self.filters if bound.value}

    @property
    def is_filtered(self) -> bool:
        return bool(self.chosen)

    @cached_property
    def rows(self) -> QuerySet[Any]:
        """Return the rows that pass the filters, in order."""
        rows = self._rows
        for choice, bound in zip(self.listing.filters, self.filters, strict=True):
            if bound.value and bound.value not in dict(bound.choices):
                return rows.none()
            if bound.value:
                rows = rows.filter(**{choice.lookup: bound.value})
        return rows.order_by(*self._order())

    @cached_property
    def page(self) -> Page[Any]:
        return Paginator(self.rows, PAGE_SIZE).get_page(self.request.GET.get("page"))

    @property
    def exports(self) -> list[tuple[str, str]]:
        """Return (format, query string) of each export of this state: the same filters and order, every row."""
        query = self.request.GET.copy()
        query.pop("page", None)
        links = []
        for name in CONTENT_TYPES:
            query["export"] = name
            links.append((name, query.urlencode()))
        return links

    def respond(
        self, template: str, fragment: str, extra: Callable[[Page[Any]], dict[str, Any]] | None = None
    ) -> HttpResponse:
        """Return the page, the part of it that htmx asks for, or the export that the address names."""
        if (kind := self.request.GET.get("export", "")) in CONTENT_TYPES:
            columns = self.listing.columns
            rows = ([column.of(row) for column in columns] for row in self.rows)
            return export(kind, self.listing.name, [column.name for column in columns], rows, self.chosen)
        context = {"listing": self, "page": self.page, "chosen": self.chosen}
        more = extra(self.page) if extra else {}
        return render(self.request, fragment if asks_for(self.request, "list") else template, context | more)

    def _order(self) -> list[Any]:
        name = self.listing.sorts.get(self.sort.removeprefix("-"))
        if name is None:
            return [*self.listing.default]
        by = F(name)
        chosen = by.desc(nulls_last=True) if self.sort.startswith("-") else by.asc(nulls_last=True)
        return [chosen, *self.listing.default]
