"""The digest of the code is of what runs, and of nothing else."""

from __future__ import annotations

from pathlib import Path

from trainingday.compute.versions import LIBRARIES, ROOT, code_digest, code_versions


def write(root: Path, name: str, text: str) -> str:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return code_digest(root)


def test_the_digest_follows_the_modules_and_their_places(tmp_path: Path) -> None:
    first = write(tmp_path, "sessions/a.py", "x = 1")
    assert write(tmp_path, "sessions/migrations/0001.py", "y = 1") == first
    assert write(tmp_path, "tests/test_a.py", "y = 1") == first
    assert write(tmp_path, "sessions/notes.txt", "y = 1") == first
    assert write(tmp_path, "sessions/rl/b.py", "y = 1") != first
    assert write(tmp_path, "sessions/a.py", "x = 2") != first
    moved = write(tmp_path, "sessions/a.py", "x = 1")
    (tmp_path / "sessions/rl/b.py").rename(tmp_path / "sessions/b.py")
    assert code_digest(tmp_path) != moved


def test_the_versions_name_this_code_and_every_library() -> None:
    versions = code_versions()
    assert versions["training-day"] == code_digest(ROOT)
    assert set(LIBRARIES) < set(versions) and all(versions.values())
