"""The exam itself, without database: what is compared on the test bars, and the gate's answer.

`strategies.exam` sits it for users' runs, `sessions.honesty` on markets whose truth is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from strategies.library.registry import get_family
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.result import BacktestResult
from trainingday.bars import Bars
from trainingday.markets.splits import Split
from trainingday.stats.gate import Baseline, Decision, Exam, decide
from trainingday.stats.ratios import sharpe_ratio
from trainingday.typing import FloatArray, JSONDict


@dataclass(frozen=True, eq=False)
class ExamRoom:
    """The bars of a market, their segments, and what trading them costs."""

    bars: Bars
    split: Split
    costs: Costs
    bars_per_year: float

    def market_baseline(self) -> str:
        """Return "buy_and_hold" if that had a positive Sharpe ratio over train and validation, else "flat"."""
        known = self.bars[slice(self.split.train.start, self.split.validation.stop)]
        held = self._backtest(known, _constant("buy_and_hold", known))
        ratio = sharpe_ratio(held.returns, self.bars_per_year)
        return "buy_and_hold" if ratio is not None and ratio > 0 else "flat"

    def hand_in(self, candidate: FloatArray, champion: FloatArray | None = None) -> ExamPaper:
        """Return the candidate's test results beside those of the champion and of the market baseline.

        Parameters
        ----------
        candidate, champion : ndarray of shape (>= split.test.stop,)
            Target positions decided on bars up to their own; only those of the test segment count, and
            each account starts it flat.
        """
        test = self.split.test
        results = {"candidate": self._backtest(self.bars[test], candidate[test])}
        if champion is not None:
            results["champion"] = self._backtest(self.bars[test], champion[test])
        name = self.market_baseline()
        results[name] = self._backtest(self.bars[test], _constant(name, self.bars[test]))
        return ExamPaper(results, self.bars_per_year)

    def _backtest(self, bars: Bars, positions: FloatArray) -> BacktestResult:
        return run_backtest(bars, positions, self.costs, bars_per_year=self.bars_per_year)


@dataclass(frozen=True, eq=False)
class ExamPaper:
    """Backtests on the test bars by name: "candidate", "champion" where there is one, the market baseline."""

    results: dict[str, BacktestResult]
    bars_per_year: float

    def grade(self, exam: Exam) -> Decision:
        """Return the gate's decision: the candidate must beat every other."""
        candidate = self.results["candidate"]
        others = [(name, result) for name, result in self.results.items() if name != "candidate"]
        return decide(
            candidate.returns,
            [Baseline(name, result.returns) for name, result in others],
            n_trades=candidate.metrics.n_trades,
            bars_per_year=self.bars_per_year,
            exam=exam,
        )

    def evidence(self) -> JSONDict:
        """Return the metrics of each."""
        return {name: result.metrics.as_dict() for name, result in self.results.items()}


def _constant(name: str, bars: Bars) -> FloatArray:
    return get_family(name).positions(bars, {})
