"""From an uploaded file to the bytes of one table: names, magic numbers, gzip and zip."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.options import ImportLimits

TEXT, JSON, PARQUET, FEATHER = "text", "json", "parquet", "feather"
KINDS = {
    "csv": TEXT,
    "txt": TEXT,
    "tsv": TEXT,
    "tab": TEXT,
    "json": JSON,
    "parquet": PARQUET,
    "pq": PARQUET,
    "feather": FEATHER,
    "arrow": FEATHER,
    "ipc": FEATHER,
}
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
PARQUET_MAGIC = b"PAR1"
FEATHER_MAGICS = (b"ARROW1", b"FEA1")
# no text table starts with these: old Office, PDF, executables, pictures, 7z, bzip2, xz, SQLite
FOREIGN_MAGICS = (
    b"\xd0\xcf\x11\xe0",
    b"%PDF",
    b"MZ",
    b"\x7fELF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"7z\xbc\xaf",
    b"BZh9",
    b"\xfd7zXZ",
    b"SQLite format",
)
CHUNK = 1 << 20


@dataclass(frozen=True)
class Payload:
    """The bytes of one table and what they are."""

    kind: str
    data: bytes
    name: str


def check_name(name: str) -> str:
    """Return a plain file name; anything that could be a path or hide something is refused."""
    is_plain = 0 < len(name) <= 255 and name.isprintable() and not re.search(r"[/\\:\x00]", name)
    if not is_plain or name in {".", ".."} or name.startswith("."):
        raise ImportRefused(
            "bad_filename",
            f"the file name should be 1..255 printable characters without / \\ or :, is {name[:60]!r}",
            status=400,
        )
    return name


def unwrap(data: bytes, name: str, limits: ImportLimits) -> Payload:
    """Return the one table inside a file, decompressed within the limits.

    Raises
    ------
    ImportRefused
        For a bad name (400), a size above the limit (413), a type that is no table (415), a damaged
        archive or one with other than one member (400).
    """
    check_name(name)
    if len(data) > limits.max_bytes:
        _refuse_size(limits)
    stem = name.lower().removesuffix(".gz")
    extension = stem.rpartition(".")[2] if "." in stem else ""
    if data[:2] == GZIP_MAGIC:
        data = _gunzip(data, limits)
    elif name.lower().endswith(".gz") and data:
        raise ImportRefused("corrupt_gzip", "the file is named .gz but is not gzip", status=400)
    if extension == "zip":
        data, stem = _unzip(data, limits)
        extension = stem.rpartition(".")[2] if "." in stem else ""
    kind = KINDS.get(extension)
    if kind is None:
        raise ImportRefused(
            "unsupported_type",
            f"files of type {extension[:12]!r} cannot be imported; use {', '.join(KINDS)}, .gz or .zip",
            status=415,
        )
    _check_magic(kind, data)
    return Payload(kind, data, name)


def _check_magic(kind: str, data: bytes) -> None:
    if not data[:64].strip() and not data.strip():
        raise ImportRefused("empty_file", "the file is empty", status=400)
    if kind == PARQUET and not data.startswith(PARQUET_MAGIC):
        raise ImportRefused("not_parquet", "the file is named Parquet but is not", status=415)
    if kind == FEATHER and not data.startswith(FEATHER_MAGICS):
        raise ImportRefused("not_feather", "the file is named Feather but is not", status=415)
    foreign = (ZIP_MAGIC, PARQUET_MAGIC, *FEATHER_MAGICS, *FOREIGN_MAGICS)
    if kind in (TEXT, JSON) and data.startswith(foreign):
        raise ImportRefused(
            "content_not_csv",
            "the file is named as text but holds something else, such as a workbook; export it as CSV",
            status=415,
        )


def _gunzip(data: bytes, limits: ImportLimits) -> bytes:
    """Return all members of a gzip file, stopping at the size limit."""
    out, rest = io.BytesIO(), data
    try:
        while rest:
            if rest[:2] != GZIP_MAGIC:
                if rest.strip(b"\0"):  # zero padding after the last member is legal
                    raise ImportRefused("corrupt_gzip", "the gzip file has junk after its end", status=400)
                break
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                piece = member.decompress(rest, CHUNK)
                rest = member.unconsumed_tail
                out.write(piece)
                if out.tell() > limits.max_bytes:
                    _refuse_size(limits)
                if not piece and not rest and not member.eof:
                    raise ImportRefused("corrupt_gzip", "the gzip file is cut off", status=400)
            rest = member.unused_data
    except zlib.error as error:
        raise ImportRefused("corrupt_gzip", f"the gzip file is damaged: {error}", status=400) from error
    return out.getvalue()


def _unzip(data: bytes, limits: ImportLimits) -> tuple[bytes, str]:
    """Return the one member of a zip file and its lower-case name, stopping at the size limit."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [
                member
                for member in archive.infolist()
                if not member.is_dir() and not member.filename.startswith("__MACOSX/")
            ]
            for member in members:
                for part in member.orig_filename.split("/"):
                    check_name(part)
            if len(members) != 1:
                raise ImportRefused(
                    "archive_members", f"a zip file should hold one table, holds {len(members)}", status=400
                )
            if members[0].flag_bits & 1:
                raise ImportRefused("corrupt_zip", "the zip file is encrypted", status=400)
            out = io.BytesIO()
            with archive.open(members[0]) as stream:
                while piece := stream.read(CHUNK):
                    out.write(piece)
                    if out.tell() > limits.max_bytes:
                        _refuse_size(limits)
    except ImportRefused:
        raise
    # a damaged archive surfaces as almost any error of zipfile, zlib, struct and lzma
    except Exception as error:
        raise ImportRefused("corrupt_zip", "the zip file is damaged", status=400) from error
    return out.getvalue(), members[0].filename.lower()


def _refuse_size(limits: ImportLimits) -> None:
    raise ImportRefused(
        "file_too_large",
        f"the file should hold at most {limits.max_bytes / 1e6:,.0f} MB when unpacked",
        status=413,
    )
