"""The kinds of run, registered by the apps that own them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.apps import apps

from trainingday.exceptions import NotFound

if TYPE_CHECKING:
    from trainingday.runs.models import Run


@dataclass(frozen=True)
class RunKind:
    """One kind of background work.

    Attributes
    ----------
    name : str
        As in addresses and events: "session", "tournament", ...
    model : str
        Label of the Run model, "app_label.Model".
    execute : str
        Dotted path of `execute(context: RunContext) -> None`, imported in the child only.
    supervise : str
        Dotted path of the django-q2 task that takes the run's primary key.
    title : str
        For people.
    settle : str
        Dotted path of a function that ends what such runs left half done when they died; "" for none.
    """

    name: str
    model: str
    execute: str
    supervise: str
    title: str
    settle: str = ""

    @property
    def model_class(self) -> type[Run]:
        return apps.get_model(self.model)


_kinds: dict[str, RunKind] = {}


def register(kind: RunKind) -> None:
    _kinds[kind.name] = kind


def get_kind(name: str) -> RunKind:
    if name not in _kinds:
        raise NotFound(f"run kind should be one of {sorted(_kinds)}, is {name!r}")
    return _kinds[name]


def all_kinds() -> Iterator[RunKind]:
    return iter(_kinds.values())
