"""vectorbt's side of `bench_backtest`; runs in an environment of its own and imports nothing of ours."""

import json
import resource
import sys
from time import process_time

import numpy as np
import vectorbt as vbt

HOURS_PER_YEAR = 8760
# vectorbt takes sizes below 1e-12 for nothing, which a losing account that started with 1 soon trades.
START_CASH = 1e12


def measure(open_: np.ndarray, close: np.ndarray, fee: float, slippage: float, table: np.ndarray) -> dict:
    """Return seconds and metrics of momentum for every row of the table.

    Target percent orders at the next bar's open, only where the target changes. vectorbt sizes a short of
    the value before costs; the percentages make it sell what our ledger sells (all the equity that is
    left after fees), so that results can be compared digit by digit.
    """
    started = process_time()
    n_bars = close.shape[0]
    from_flat, from_long = -1 / ((1 + fee) * (1 - slippage)), -(1 - fee) / (1 + fee)
    size = np.full((n_bars, table.shape[0]), np.nan)
    momenta = {}
    for column, (lookback, threshold) in enumerate(table):
        window = int(lookback)
        if window not in momenta:
            momentum = np.full(n_bars, np.nan)
            momentum[window:] = close[window:] / close[:-window] - 1
            momenta[window] = momentum
        target = (momenta[window] > threshold) * 1.0 - (momenta[window] < -threshold) * 1.0
        changed = np.flatnonzero(np.diff(target[:-1], prepend=0.0))
        wanted, before = target[changed], np.concatenate(([0.0], target[changed[:-1]]))
        short = np.where(before > 0, from_long, from_flat)
        size[changed + 1, column] = np.where(wanted < 0, short, wanted)
    portfolio = vbt.Portfolio.from_orders(
        np.broadcast_to(close[:, None], size.shape),
        size,
        size_type="targetpercent",
        price=open_[:, None],
        val_price=open_[:, None],
        fees=fee,
        slippage=slippage,
        freq="1h",
        init_cash=START_CASH,
    )
    trades = portfolio.trades.closed
    returns = portfolio.returns().to_numpy()[1:]
    total = np.atleast_1d(portfolio.total_return())
    drawdown = np.atleast_1d(portfolio.max_drawdown())
    with np.errstate(invalid="ignore"):
        sharpe = returns.mean(axis=0) / returns.std(axis=0, ddof=1) * np.sqrt(HOURS_PER_YEAR)
    counts, wins = np.atleast_1d(trades.count()), np.atleast_1d(trades.win_rate())
    seconds = process_time() - started
    return {
        "seconds": seconds,
        "n_trades": counts.tolist(),
        "total_return": total.tolist(),
        "max_drawdown": np.nan_to_num(drawdown).tolist(),
        "sharpe_ratio": np.where(np.isfinite(sharpe), sharpe, 0).tolist(),
        "win_rate": np.nan_to_num(wins).tolist(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    market = np.load(sys.argv[1])
    fee, slippage = float(sys.argv[2]), float(sys.argv[3])
    print(json.dumps({"version": vbt.__version__}), flush=True)
    for line in sys.stdin:
        table = np.array(json.loads(line))
        print(json.dumps(measure(market["open"], market["close"], fee, slippage, table)), flush=True)


if __name__ == "__main__":
    main()
