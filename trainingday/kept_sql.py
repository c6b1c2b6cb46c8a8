"""SQL that is kept: Django writes it anew for each query, and of a wide one that takes longer than to run it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import QuerySet


class KeptSql:
    """The SQL of a `values_list` on the default database, and how its rows become Python's.

    `markers` are parameters that the query was built with and that each call gives anew, as the database takes them.
    """

    def __init__(self, rows: QuerySet[Any, Any], *markers: Any) -> None:
        compiler: Any = rows.query.get_compiler(connection=connection)
        self._sql, self._parameters = compiler.as_sql()
        columns = [column for column, _, _ in compiler.select[: compiler.col_count]]
        self._compiler, self._converters = compiler, compiler.get_converters(columns)
        self._markers = markers

    def rows(self, *given: Any) -> Iterator[list[Any]]:
        new = dict(zip(self._markers, given, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(self._sql, [new.get(value, value) for value in self._parameters])
            found = cursor.fetchall()
        converted: Iterator[list[Any]] = self._compiler.apply_converters(found, self._converters)
        return converted
