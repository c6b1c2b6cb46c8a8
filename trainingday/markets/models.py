"""Markets, their immutable datasets, and the windows that exams are sat on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils.text import slugify

from trainingday.exceptions import StateConflict
from trainingday.markets.calendars import default_bars_per_year
from trainingday.markets.intervals import INTERVALS, interval_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds: int) -> datetime:
    """Return the UTC time of a bar stamp in microseconds."""
    return EPOCH + timedelta(microseconds=microseconds)


class MarketQuerySet(models.QuerySet["Market"]):
    def with_bars(self) -> MarketQuerySet:
        """Return those that hold a dataset: a market whose first download failed holds none."""
        return self.filter(models.Exists(Dataset.objects.filter(market=models.OuterRef("pk"))))


class Market(models.Model):
    """One instrument at one venue in one bar interval, with what trading it costs."""

    class Calendar(models.TextChoices):
        CRYPTO = "crypto", "Always open (365 days, 24 hours)"
        US_EQUITIES = "us_equities", "US equities (252 sessions)"
        FOREX = "forex", "Forex (weekdays, 24 hours)"

    INTERVAL_CHOICES = [(seconds, name) for name, seconds in INTERVALS.items()]

    symbol = models.CharField(max_length=40, help_text="As traders write it: BTC/USD, SP500, EUR/USD.")
    venue = models.CharField(max_length=40, default="file")
    interval = models.PositiveIntegerField(choices=INTERVAL_CHOICES, help_text="Length of a bar.")
    calendar = models.CharField(max_length=12, choices=Calendar.choices, default=Calendar.CRYPTO)
    fee = models.FloatField(
        default=0.001,
        validators=[MinValueValidator(0.0), MaxValueValidator(0.1)],
        help_text="Fraction of each trade's value, per side.",
    )
    slippage = models.FloatField(
        default=0.0005,
        validators=[MinValueValidator(0.0), MaxValueValidator(0.1)],
        help_text="Fraction of the price, per side.",
    )
    bars_per_year = models.FloatField(
        blank=True,
        validators=[MinValueValidator(1.0)],
        help_text="Annualises returns; left empty it follows from calendar and interval.",
    )
    alpha = models.FloatField(
        "exam level",
        default=0.005,
        validators=[MinValueValidator(0.0001), MaxValueValidator(0.05)],
        help_text="Highest p-value that passes one sealed exam; 0.05 / 10 keeps luck-only passes at 5 %.",
    )
    slug = models.SlugField(max_length=90, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    fetched_at = models.DateTimeField(
        "last fetch",
        null=True,
        blank=True,
        editable=False,
        help_text="When a file or an exchange last gave bars, new ones or not.",
    )

    objects = MarketQuerySet.as_manager()

    class Meta:
        ordering = ["symbol", "interval", "venue"]
        constraints = [
            models.UniqueConstraint(fields=["symbol", "venue", "interval"], name="one_market_per_series"),
            models.CheckConstraint(
                condition=models.Q(fee__gte=0, fee__lte=0.1, slippage__gte=0, slippage__lte=0.1),
                name="market_costs_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(alpha__gt=0, alpha__lte=0.05), name="market_alpha_in_range"
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.bars_per_year:
            self.bars_per_year = default_bars_per_year(self.calendar, self.interval)
        if not self.slug:
            self.slug = self._free_slug()
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("markets:detail", args=[self.slug])

    @property
    def interval_name(self) -> str:
        return interval_name(self.interval)

    @property
    def base_currency(self) -> str:
        return re.split(r"[/:_-]", self.symbol)[0]

    def _free_slug(self) -> str:
        """Return SYMBOL-interval, with the venue where another venue has it already."""
        symbol = slugify(re.sub(r"[/:._ ]", "", self.symbol)).upper() or "MARKET"
        venue = slugify(self.venue).upper()
        name = interval_name(self.interval)
        stems = [f"{symbol}-{name}", f"{symbol}-{venue}-{name}"]
        stems += [f"{symbol}-{venue}-{name}-{number}" for number in range(2, 100)]
        taken = set(Market.objects.filter(slug__in=stems).values_list("slug", flat=True))
        return next(stem for stem in stems if stem not in taken)


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise StateConflict("a dataset never changes: load a new version instead")

    def delete(self) -> NoReturn:
        raise StateConflict("a dataset is kept for good: results point at it")


class Dataset(models.Model):
    """An immutable, fingerprinted version of a market's bars; the bars are in a Parquet file."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="datasets")
    version = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64, help_text="Fingerprint of the bars themselves.")
    file = models.CharField(max_length=200, help_text="Path below the dataset folder.")
    first_us = models.BigIntegerField("first bar, microseconds UTC")
    last_us = models.BigIntegerField("last bar, microseconds UTC")
    n_rows = models.PositiveIntegerField()
    quality = models.JSONField(default=dict)
    source = models.CharField(max_length=300)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["market", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["market", "version"], name="one_dataset_per_version"),
            models.UniqueConstraint(fields=["market", "sha256"], name="one_dataset_per_content"),
        ]

    def __str__(self) -> str:
        return f"{self.market_id}v{self.version} {self.sha256[:12]}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise StateConflict("a dataset never changes: load a new version instead")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise StateConflict("a dataset is kept for good: results point at it")

    @property
    def path(self) -> Path:
        return Path(settings.TRAININGDAY_DATASETS) / self.file

    @property
    def first_at(self) -> datetime:
        return moment(self.first_us)

    @property
    def last_at(self) -> datetime:
        return moment(self.last_us)


class ImportProfile(models.Model):
    """A saved file layout: the corrections that read one file, and what another has to share with it."""

    name = models.CharField(max_length=60, unique=True)
    options = models.JSONField(help_text="What `importers.profile.kept_options` returns.")
    layout = models.JSONField(help_text="What `importers.profile.layout_of` returns.")
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TestWindow(models.Model):
    """The bars that a market's exams are sat on; a newer window replaces it, nothing edits it."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="test_windows")
    first_us = models.BigIntegerField("first bar, microseconds UTC")
    last_us = models.BigIntegerField("last bar, microseconds UTC")
    opened_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["market", "-last_us"]
        constraints = [
            models.UniqueConstraint(fields=["market", "last_us"], name="one_window_per_end"),
            models.CheckConstraint(
                condition=models.Q(last_us__gt=models.F("first_us")), name="window_runs_forward"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_at:%Y-%m-%d} to {self.last_at:%Y-%m-%d}"

    @property
    def first_at(self) -> datetime:
        return moment(self.first_us)

    @property
    def last_at(self) -> datetime:
        return moment(self.last_us)
