from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from trainingday.markets.models import moment
from trainingday.markets.offline import load_offline_markets


class Command(BaseCommand):
    help = "Load the offline markets: daily S&P 500 and NASDAQ bars, 1999-2018, from the arch package."

    def handle(self, *args: Any, **options: Any) -> None:
        for result in load_offline_markets():
            dataset = result.dataset
            state = "loaded" if result.created else "already there"
            self.stdout.write(
                f"{result.market.slug}: {state}, {dataset.n_rows:,} bars, {moment(dataset.first_us):%Y-%m-%d} "
                f"to {moment(dataset.last_us):%Y-%m-%d}, {dataset.sha256[:12]}"
            )
