"""Models on one market of known truth: policies with random weights, or a training session's own search."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from sessions.honesty.exams import NULL_FEE, PLANTED_FEE, ExamOutcome, one_bar_early, sit_exam
from sessions.honesty.options import MarketTask, Mutant
from strategies.grading import ExamRoom
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.markets.splits import plan_split
from trainingday.policy.network import N_POSITIONS, Activation, PolicyKind, PolicyNetwork
from trainingday.policy.observation import N_FEATURES, compute_features
from trainingday.stats.ratios import sharpe_ratio
from trainingday.synthetic import HOURS_PER_YEAR, NULL_MARKETS, synthetic_bars
from trainingday.typing import FloatArray

N_BARS = 20_000
N_POLICIES = 8
NET_ARCH = (32, 32)


def run_untrained(task: MarketTask) -> ExamOutcome:
    """Return what the gate said of the best of 8 policies with random weights, chosen on validation.

    They know nothing, so every promotion is false; trading costs nothing here, which is where luck is best.
    """
    room = open_room(task)
    rng = np.random.default_rng(task.stream())
    features = compute_features(room.bars)
    paths = [random_policy(rng).positions(features) for _ in range(N_POLICIES)]
    if task.mutant is Mutant.LOOKAHEAD:
        paths = [one_bar_early(path) for path in paths]
    chosen_on = room.split.test if task.mutant is Mutant.PICK_ON_TEST else room.split.validation
    ratios = [_sharpe_ratio(room, path, chosen_on) for path in paths]
    return sit_exam(room, task.kind, paths[int(np.argmax(ratios))])


def run_trained(task: MarketTask) -> ExamOutcome:
    """Return what the gate said of a model found and trained as the quick preset does.

    The lookahead mutant shifts the trained positions; picking on test is a fault of selection only and is
    not put in here.
    """
    from sessions.honesty.training import train_quickly  # torch: loaded only where training happens

    room = open_room(task)
    with tempfile.TemporaryDirectory(prefix="honesty-") as folder:
        model = train_quickly(room, task.stream(), Path(folder))
    positions = model.positions_on(room.bars) if model else None
    if positions is not None and task.mutant is Mutant.LOOKAHEAD:
        positions = one_bar_early(positions)
    return sit_exam(room, task.kind, positions)


def open_room(task: MarketTask) -> ExamRoom:
    """Return 20,000 bars, cut as every dataset of users is."""
    bars = synthetic_bars(task.kind, N_BARS, task.index, task.seed)
    split = plan_split(len(bars), bars.timestamps)
    fee = NULL_FEE if task.kind in NULL_MARKETS else PLANTED_FEE
    return ExamRoom(bars, split, Costs(fee, 0.0), HOURS_PER_YEAR)


def random_policy(rng: np.random.Generator) -> PolicyNetwork:
    """Return a policy as a training starts with, but with a last layer that already decides."""
    widths = (N_FEATURES + N_POSITIONS, *NET_ARCH, N_POSITIONS)
    weights = tuple(
        (rng.standard_normal((n_in, n_out)) / np.sqrt(n_in)).astype(np.float32)
        for n_in, n_out in pairwise(widths)
    )
    biases = tuple(np.zeros(width, dtype=np.float32) for width in widths[1:])
    return PolicyNetwork(PolicyKind.POLICY, Activation.TANH, weights, biases)


def _sharpe_ratio(room: ExamRoom, positions: FloatArray, segment: slice) -> float:
    result = run_backtest(
        room.bars[segment], positions[segment], room.costs, bars_per_year=room.bars_per_year
    )
    ratio = sharpe_ratio(result.returns, room.bars_per_year)
    return -np.inf if ratio is None else ratio
