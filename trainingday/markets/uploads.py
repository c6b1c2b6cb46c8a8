"""Multipart uploads whose file names are judged before anything shortens them."""

from __future__ import annotations

from typing import Any

from django.http.multipartparser import MultiPartParser as DjangoMultiPartParser
from django.http.multipartparser import MultiPartParserError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import DataAndFiles, MultiPartParser

from trainingday.markets.importers.framing import check_name


class _CheckedNames(DjangoMultiPartParser):
    def sanitize_file_name(self, file_name: str) -> str | None:
        # Django quietly turns ../../etc/a.csv into a.csv; a client that sends such a name is told so
        check_name(file_name)
        return super().sanitize_file_name(file_name)


class UploadParser(MultiPartParser):
    """Parses uploads; a file name that could be a path is a 400 with code bad_filename."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> DataAndFiles[Any, Any]:
        request = parser_context["request"]
        meta = {**request.META, "CONTENT_TYPE": media_type}
        try:
            parser = _CheckedNames(
                meta, stream, request.upload_handlers, parser_context.get("encoding", "utf-8")
            )
            return DataAndFiles(*parser.parse())
        except MultiPartParserError as error:
            raise ParseError(f"Multipart form parse error - {error}") from error
