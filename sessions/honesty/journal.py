"""Outcomes kept market by market, so that a long measurement that was stopped goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from patterns.discovery.honesty import NullOutcome, PlantedOutcome
from sessions.honesty.exams import ExamOutcome
from sessions.honesty.options import Case, MarketTask, Mutant
from trainingday.exceptions import InvalidArgument

Outcome = ExamOutcome | NullOutcome | PlantedOutcome
TYPES: dict[Case, type[Outcome]] = {
    Case.TOURNAMENT: ExamOutcome,
    Case.UNTRAINED: ExamOutcome,
    Case.TRAINED: ExamOutcome,
    Case.PATTERNS_NULL: NullOutcome,
    Case.PATTERNS_PLANTED: PlantedOutcome,
}


class Journal:
    """A file with one line of JSON per market: task and outcome.

    The outcomes are of the version of the product that wrote them: a new version needs a new file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[MarketTask, Outcome]:
        """Return the outcomes kept so far; a last line that was cut off by a kill is left out.

        Raises
        ------
        InvalidArgument
            If another line is no outcome: the file is something else.
        """
        if not self.path.exists():
            return {}
        lines = self.path.read_text(encoding="utf-8").split("\n")
        found = {}
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                task = _task(entry["task"])
                found[task] = TYPES[task.case](**entry["outcome"])
            except (ValueError, KeyError, TypeError) as error:
                if number < len(lines):
                    raise InvalidArgument(
                        f"journal should hold outcomes, line {number} of {self.path} is none"
                    ) from error
        return found

    def add(self, task: MarketTask, outcome: Outcome) -> None:
        """Append an outcome; a cut-off line before it is ended first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"task": asdict(task), "outcome": asdict(outcome)})
        with self.path.open("ab+") as file:
            size = file.tell()
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    self._cut_torn_line()
            file.write(f"{line}\n".encode())

    def _cut_torn_line(self) -> None:
        kept = self.path.read_bytes().rfind(b"\n") + 1
        with self.path.open("rb+") as file:
            file.truncate(kept)


def _task(record: dict[str, Any]) -> MarketTask:
    return MarketTask(**{**record, "case": Case(record["case"]), "mutant": Mutant(record["mutant"])})
