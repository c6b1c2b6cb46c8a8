"""The benchmark: every market's session, spread over processes, and the report of what they claimed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from sessions.honesty.journal import Journal, Outcome
from sessions.honesty.options import Case, HonestyOptions, MarketTask
from sessions.honesty.report import Line, report_lines

Progress = Callable[[int, int], None]
# torch keeps what it has allocated: a worker that trains is replaced before it has grown much.
TRAININGS_PER_WORKER = 6


def run_benchmark(
    options: HonestyOptions,
    on_done: Progress = lambda n_done, n_tasks: None,
    journal: Journal | None = None,
) -> list[Line]:
    """Return the benchmark's lines; the same options but `n_workers` give the same lines.

    Parameters
    ----------
    options : HonestyOptions
    on_done : callable of (markets done, markets in all), optional
        May raise to stop.
    journal : Journal, optional
        Keeps each outcome as it comes; what it holds already is not run again.
    """
    tasks = options.tasks()
    kept = journal.read() if journal else {}
    outcomes = {task: kept[task] for task in tasks if task in kept}
    waiting = [task for task in tasks if task not in outcomes]
    for place, outcome in _outcomes(waiting, min(options.n_workers, len(waiting))):
        outcomes[waiting[place]] = outcome
        if journal:
            journal.add(waiting[place], outcome)
        on_done(len(outcomes), len(tasks))
    return report_lines([(task, outcomes[task]) for task in tasks])


def run_market(task: MarketTask) -> Outcome:
    """Return what one session claims on one market."""
    return _runner(task.case)(task)


def _runner(case: Case) -> Callable[[MarketTask], Outcome]:
    # Imported where they are needed: a worker of one part loads no other.
    if case in (Case.UNTRAINED, Case.TRAINED):
        from sessions.honesty.models import run_trained, run_untrained

        return run_untrained if case is Case.UNTRAINED else run_trained
    if case is Case.TOURNAMENT:
        from sessions.honesty.tournaments import run_tournament_market

        return run_tournament_market
    from sessions.honesty.pattern_part import run_patterns_null, run_patterns_planted

    return run_patterns_null if case is Case.PATTERNS_NULL else run_patterns_planted


def _outcomes(tasks: Sequence[MarketTask], n_workers: int) -> Iterator[tuple[int, Outcome]]:
    """Yield (place, outcome) as they come."""
    if n_workers <= 1:
        yield from ((place, run_market(task)) for place, task in enumerate(tasks))
        return
    trains = any(task.case is Case.TRAINED for task in tasks)
    pool = ProcessPoolExecutor(
        n_workers,
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        max_tasks_per_child=TRAININGS_PER_WORKER if trains else None,
    )
    try:
        futures = {pool.submit(run_market, task): place for place, task in enumerate(tasks)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """Load the apps: strategies are scored by code that sits beside their rows."""
    import django

    django.setup()
