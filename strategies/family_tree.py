"""Lays out a tournament's genealogy for an inline SVG: generations from left to right, the fittest on top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from strategies.genealogy import Genealogy
from trainingday.display import is_defined
from trainingday.typing import JSONDict

COLUMN, ROW, MARGIN, TOP = 110, 18, 24, 30
RADIUS = (3.5, 8.0)
N_COLOURS = 8


@dataclass(frozen=True)
class Node:
    """One individual: `colour` is the number of its family's colour, 0 for the families past the eighth.

    `is_line` says that the focus descends from it, or is it.
    """

    uid: str
    x: float
    y: float
    radius: float
    colour: int
    is_chosen: bool
    is_line: bool
    facts: JSONDict


@dataclass(frozen=True)
class Edge:
    """From parent to child; `path` is SVG path data."""

    path: str
    is_mutation: bool
    is_line: bool


@dataclass(frozen=True)
class FamilyTree:
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    families: Sequence[tuple[str, int]]
    generations: Sequence[tuple[int, float]]
    width: int
    height: int


def lay_out(tree: Genealogy, focus: str = "") -> FamilyTree:
    """Return positions, radii and colours of all nodes; the radius grows with the validation fitness.

    The line of descent of `focus`, a uid, is marked; it is drawn last, on top.
    """
    line = _line_of(tree, focus)
    columns: dict[int, list[JSONDict]] = {}
    for node in tree.nodes:
        columns.setdefault(node["generation"], []).append(node)
    order = sorted(columns)
    sizes = Counter(node["family"] for node in tree.nodes)
    families = sorted(sizes, key=lambda name: (-sizes[name], name))  # the largest get a colour of their own
    colours = {name: number + 1 if number < N_COLOURS else 0 for number, name in enumerate(families)}
    scores = [node["fitness"] for node in tree.nodes if is_defined(node["fitness"])]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
    places = {
        node["uid"]: (MARGIN + COLUMN * column, TOP + MARGIN + ROW * row)
        for column, generation in enumerate(order)
        for row, node in enumerate(sorted(columns[generation], key=_place))
    }
    nodes = [
        Node(
            uid=node["uid"],
            x=places[node["uid"]][0],
            y=places[node["uid"]][1],
            radius=_radius(node["fitness"], low, high),
            colour=colours[node["family"]],
            is_chosen=node["uid"] == focus,
            is_line=node["uid"] in line,
            facts=node,
        )
        for node in tree.nodes
    ]
    edges = [
        Edge(
            _curve(places[edge["source"]], places[edge["target"]]),
            is_mutation=edge["operator"] == "mutation",
            is_line=edge["target"] in line,
        )
        for edge in tree.edges
    ]
    tallest = max((len(column) for column in columns.values()), default=0)
    return FamilyTree(
        nodes=nodes,
        edges=sorted(edges, key=lambda edge: edge.is_line),
        families=list(colours.items()),
        generations=[(generation, MARGIN + COLUMN * column) for column, generation in enumerate(order)],
        width=2 * MARGIN + COLUMN * max(len(order) - 1, 0) + 40,
        height=TOP + 2 * MARGIN + ROW * max(tallest - 1, 0),
    )


def _line_of(tree: Genealogy, focus: str) -> set[str]:
    parents: dict[str, list[str]] = {}
    for edge in tree.edges:
        parents.setdefault(edge["target"], []).append(edge["source"])
    found: set[str] = set()
    waiting = [focus] if focus else []
    while waiting:
        uid = waiting.pop()
        if uid not in found:
            found.add(uid)
            waiting.extend(parents.get(uid, ()))
    return found


def _place(node: JSONDict) -> tuple[bool, int]:
    """The fittest first; controls, which have no rank, last."""
    return node["rank"] is None, node["rank"] or 0


def _radius(fitness: float | None, low: float, high: float) -> float:
    if fitness is None or not is_defined(fitness):
        return RADIUS[0]
    share = (fitness - low) / (high - low) if high > low else 0.5
    return round(RADIUS[0] + (RADIUS[1] - RADIUS[0]) * share, 1)


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    middle = (start[0] + end[0]) / 2
    return f"M{start[0]:g} {start[1]:g}C{middle:g} {start[1]:g} {middle:g} {end[1]:g} {end[0]:g} {end[1]:g}"
