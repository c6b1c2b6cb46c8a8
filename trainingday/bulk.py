"""Many rows at once, without an object for each: COPY on PostgreSQL, one statement for all rows on SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models

STAGING = "trainingday_new_rows"


def insert_rows(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    keep_known: bool = False,
) -> None:
    """Insert rows of a model, inside a transaction.

    Parameters
    ----------
    model : type of Model
    columns : sequence of str
        Columns of its table, such as "strategy_id"; the primary key and whatever has a database default may lack.
    rows : iterable of sequence
        One value for each column as the database takes it: JSON as text, times by `database_time`.
    keep_known : bool
        A row that a unique constraint forbids is left out, instead of failing them all.
    """
    quote = connection.ops.quote_name
    table, names = quote(model._meta.db_table), ", ".join(quote(column) for column in columns)
    ending = " ON CONFLICT DO NOTHING" if keep_known else ""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places}){ending}", list(rows))  # noqa: S608
            return
        target = quote(STAGING) if keep_known else table
        if keep_known:  # COPY itself fails on the first conflict
            cursor.execute(f"CREATE TEMP TABLE {target} AS SELECT {names} FROM {table} WITH NO DATA")  # noqa: S608
        # A COPY does not pass Django's cursor, which would make its errors Django's.
        with connection.wrap_database_errors, cursor.copy(f"COPY {target} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        if keep_known:
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {target}{ending}")  # noqa: S608
            cursor.execute(f"DROP TABLE {target}")


def database_time(moment: Any) -> Any:
    """Return a time as the database's own columns hold it."""
    return connection.ops.adapt_datetimefield_value(moment)
