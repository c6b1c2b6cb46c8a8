"""Static files that ship inside Python packages, so that no third-party code lies in the repository."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage, Storage


class PackageFinder(BaseFinder):
    """Finds `vendor/plotly.min.js` in the plotly package."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.storage = FileSystemStorage(location=str(files("plotly") / "package_data"))
        self.storage.prefix = "vendor"  # type: ignore[attr-defined]  # read by collectstatic
        self.names = ("plotly.min.js",)

    def check(self, **kwargs: Any) -> list[Any]:
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        prefix, _, name = path.partition("/")
        if prefix != "vendor" or name not in self.names:
            return []
        location = str(Path(self.storage.location) / name)
        return [location] if find_all else location

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[tuple[str, Storage]]:
        for name in self.names:
            yield name, self.storage
