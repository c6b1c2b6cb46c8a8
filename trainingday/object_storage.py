"""Object storage behind the local folders: content-addressed files go there, and come back when missing here.

The local folder stays the cache. Nothing that arrives is used before its hash has been checked, and nothing is
ever removed there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from trainingday.exceptions import InvalidArgument, StorageUnavailable

if TYPE_CHECKING:
    from django.core.files.storage import Storage

SCHEME = "s3://"


class RemoteFiles:
    """Files of one prefix of a bucket, by name."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage, self._prefix = storage, prefix

    def has(self, name: str) -> bool:
        with _border(path := self._path(name)):
            return self._storage.exists(path)

    def put(self, name: str, content: bytes) -> None:
        from django.core.files.base import ContentFile

        with _border(path := self._path(name)):
            self._storage.save(path, ContentFile(content))

    def get(self, name: str) -> bytes | None:
        """Return the content, not yet checked; None where there is none."""
        with _border(path := self._path(name)):
            try:
                with self._storage.open(path) as file:
                    return bytes(file.read())
            except FileNotFoundError:
                return None

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}"


@contextmanager
def _border(path: str) -> Iterator[None]:
    """Turn whatever the storage raises into one error that a retry may help."""
    try:
        yield
    except Exception as error:
        raise StorageUnavailable(f"object storage did not give or take {path}: {error}") from error


def remote_files(prefix: str) -> RemoteFiles | None:
    """Return the files of TRAININGDAY_STORAGE below `prefix`, or None where no storage is set.

    Raises
    ------
    InvalidArgument
        If the setting is not like "s3://bucket/prefix".
    """
    address = settings.TRAININGDAY_STORAGE
    return RemoteFiles(_storage(address), prefix) if address else None


@lru_cache(maxsize=2)
def _storage(address: str) -> Storage:
    bucket, _, location = address.removeprefix(SCHEME).partition("/")
    if not address.startswith(SCHEME) or not bucket:
        raise InvalidArgument(f"TRAININGDAY_STORAGE should be like s3://bucket/prefix, is {address!r}")
    try:
        from storages.backends.s3 import S3Storage
    except (ImportError, ImproperlyConfigured) as error:
        raise InvalidArgument("TRAININGDAY_STORAGE needs the extra `storage`: django-storages[s3]") from error
    # Region, endpoint and credentials are boto3's own: AWS_DEFAULT_REGION, AWS_ENDPOINT_URL and so on.
    storage: Storage = S3Storage(
        bucket_name=bucket, location=location.strip("/"), file_overwrite=True, default_acl=None
    )
    return storage
