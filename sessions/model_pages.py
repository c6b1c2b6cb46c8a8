"""What the pages of models show of the evidence: test figures only after a passed exam, sealed otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sessions.models import ModelVersion
from strategies.models import Champion, ForwardRecord, Look
from strategies.queries import public_decision
from trainingday.stats.gate import Verdict
from trainingday.typing import JSONDict


@dataclass(frozen=True)
class ModelLine:
    """A model with its exam; needs `session__look` and `strategy` on the row, and reads nothing more."""

    model: ModelVersion

    @cached_property
    def look(self) -> Look | None:
        """Return the use of the test window by this model, None where it sat no exam."""
        look = self.model.session.look
        return look if look is not None and look.strategy_id == self.model.strategy_id else None

    @property
    def has_passed(self) -> bool:
        return self.look is not None and self.look.verdict == Verdict.PASSED.value

    @property
    def is_sealed(self) -> bool:
        return self.look is not None and self.look.is_charged and not self.has_passed

    @property
    def n_looks(self) -> int:
        return int(self.look is not None and self.look.is_charged)

    @cached_property
    def exam(self) -> JSONDict:
        """Return what may be shown of a passed exam; {} otherwise."""
        return public_decision(self.look) if self.look is not None and self.has_passed else {}

    @cached_property
    def out_of_sample(self) -> JSONDict:
        """Return the metrics on the test bars, with the Sharpe ratio's 95 % interval, after a pass; {} otherwise."""
        found = self.exam.get("evidence", {}).get("candidate", {})
        return found if isinstance(found, dict) else {}

    @cached_property
    def difference(self) -> JSONDict:
        """Return the comparison with the champion on test, or with the market baseline where there was none."""
        rows: list[JSONDict] = self.exam.get("comparisons", [])
        named = [row for row in rows if row.get("baseline") == "champion"]
        return next(iter(named or rows), {})

    @cached_property
    def deflated_sharpe(self) -> JSONDict:
        """Return the deflated Sharpe ratio of the candidate over the session's trials, on validation."""
        if self.model.stage == ModelVersion.Stage.BASELINE:
            return {}
        rows: Any = self.model.session.report.get("diagnostics", [])
        named = [row for row in rows if isinstance(row, dict) and row.get("name") == "dsr"]
        return next(iter(named), {})

    @property
    def signature(self) -> str:
        """Return "valid", "refused", or "signed" where nobody has checked it since it was stored."""
        return str(self.model.signature.get("state", "signed"))


def model_lines(models: Iterable[ModelVersion]) -> list[ModelLine]:
    return [ModelLine(model) for model in models]


@dataclass(frozen=True)
class ModelPage:
    """The page of one model: its line, its family, its reign, and which buttons fit."""

    line: ModelLine
    children: list[ModelVersion]
    reign: Champion | None
    champion: ModelVersion | None
    record: ForwardRecord | None

    @property
    def rival(self) -> ModelVersion | None:
        """Return what to compare it with: its parent, or the market's champion."""
        rival = self.model.parent or self.champion
        return rival if rival is not None and rival.pk != self.model.pk else None

    @property
    def model(self) -> ModelVersion:
        return self.line.model

    @property
    def gate(self) -> JSONDict | None:
        """Return the gate card of the session's candidate; a baseline sat no exam."""
        if self.model.stage == ModelVersion.Stage.BASELINE:
            return None
        gate = self.model.session.report.get("gate")
        return gate if isinstance(gate, dict) else None

    @property
    def is_champion(self) -> bool:
        return self.model.stage == ModelVersion.Stage.CHAMPION

    @property
    def may_be_promoted(self) -> bool:
        return self.reign is not None and not self.is_champion

    @property
    def may_be_rejected(self) -> bool:
        return self.model.stage in (ModelVersion.Stage.CANDIDATE, ModelVersion.Stage.RETIRED)

    @property
    def overlays(self) -> list[tuple[str, JSONDict, bool]]:
        """Return each choice of overlay with its validation figures and whether it was chosen."""
        overlay = self.model.overlay
        rows: dict[str, JSONDict] = overlay.get("options", {})
        return [(name.replace("_", " "), row, name == overlay.get("chosen")) for name, row in rows.items()]
