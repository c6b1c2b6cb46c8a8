"""Downloads from exchanges, and the pages that one has fetched so far."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.urls import reverse

from trainingday.markets.models import Dataset, moment
from trainingday.runs.models import Run


class Download(Run):
    """One fetch of a market's bars from its exchange; a refresh adds to the newest dataset.

    `cursor_us` is the opening time of the next bar to ask for: with its pages it is all that an attempt
    needs to go on where the last one was killed.
    """

    kind = "download"

    exchange = models.CharField(max_length=40)
    is_refresh = models.BooleanField(default=False)
    base = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Added to."
    )
    since_us = models.BigIntegerField("first bar asked for, microseconds UTC")
    as_of_us = models.BigIntegerField(
        null=True, blank=True, help_text="The exchange's time at the start; later bars are not finished."
    )
    cursor_us = models.BigIntegerField(help_text="Opening time of the next bar to ask for.")
    n_candles = models.PositiveIntegerField(default=0)
    n_requests = models.PositiveIntegerField(default=0)
    n_retries = models.PositiveIntegerField(default=0)
    skew_seconds = models.FloatField(null=True, blank=True, help_text="The exchange's clock less ours.")
    dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="downloads"
    )
    summary = models.TextField(
        blank=True, default="", help_text="Stored with the dataset, in one transaction."
    )

    class Meta(Run.Meta):
        db_table = "downloads"

    def get_absolute_url(self) -> str:
        return reverse("downloads:detail", args=[self.pk])

    @property
    def since(self) -> datetime:
        return moment(self.since_us)

    @property
    def reached(self) -> datetime:
        return moment(self.cursor_us)


class DownloadPage(models.Model):
    """The candles of one answer, packed; gone once they are a dataset."""

    download = models.ForeignKey(Download, on_delete=models.CASCADE, related_name="pages")
    index = models.PositiveIntegerField()
    candles = models.BinaryField(help_text="float64 of shape (n_candles, 6), zlib.")

    class Meta:
        ordering = ["download", "index"]
        constraints = [
            models.UniqueConstraint(fields=["download", "index"], name="downloads_one_page_per_index")
        ]

    def __str__(self) -> str:
        return f"{self.download_id} page {self.index}"
