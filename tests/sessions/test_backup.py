"""Backup and restore: the rows of one moment with their files, all of them or none; nothing altered comes back."""

from __future__ import annotations

import io
import shutil
import tarfile
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from patterns.models import PatternScan
from patterns.services import request_scan
from sessions import backup as backup_module
from sessions.backup import DATABASE, MANIFEST, SIGNATURE, BackupRejected, backup
from sessions.restore import restore
from strategies.models import Strategy, StrategyPerformance
from strategies.store import artifact_store
from tests import pages
from tests.conftest import make_market
from tests.markets import gaussian_bars
from trainingday.exceptions import ArtifactRejected, StateConflict
from trainingday.markets.models import Dataset, Market
from trainingday.markets.storage import fingerprint, local_bars
from trainingday.runs import rows, services
from trainingday.runs.models import RunEvent, RunState, Trigger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("other_databases")]


@pytest.fixture
def home(tmp_path: Path, settings: Any) -> Path:
    """Return a home with a market, a tournament with descent, a model file, a user and a running scan."""
    settings.TRAININGDAY_HOME = tmp_path / "home"
    settings.TRAININGDAY_DATASETS = settings.TRAININGDAY_HOME / "datasets"
    settings.TRAININGDAY_ARTIFACTS = settings.TRAININGDAY_HOME / "artifacts"
    settings.TRAININGDAY_HOME.mkdir()
    admin = pages.make_user("admin")
    market = make_market(gaussian_bars(1500, seed=3))
    tournament = pages.make_tournament(market, Dataset.objects.get(), state="succeeded")
    parents = pages.add_entrants(tournament, 3)
    for child in pages.add_entrants(tournament, 3, generation=1):
        child.parents.set(parents)
    artifact = artifact_store().save({"weight": np.arange(4.0)}, {"algorithm": "test"})
    Strategy.objects.filter(pk=Strategy.objects.order_by("pk").values("pk")[:1]).update(artifact=artifact)
    scan = request_scan(market, trigger=Trigger.USER, user=admin)
    services.claim("scan", scan.pk)
    RunEvent.objects.create(run_kind="scan", run_pk=scan.pk, seq=1, kind="note", payload={"text": "Grüße 数"})
    return Path(settings.TRAININGDAY_HOME)


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return every row that a backup keeps."""
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in rows._tables()}


def files_of(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def empty(home: Path) -> None:
    call_command("flush", interactive=False, verbosity=0)
    shutil.rmtree(home / "datasets")
    shutil.rmtree(home / "artifacts")


def expire_leases() -> None:
    PatternScan.objects.update(lease_until="2020-01-01T00:00:00Z")


def test_an_emptied_home_gets_everything_back(home: Path, tmp_path: Path) -> None:
    expire_leases()
    before, files = everything(), files_of(home)
    saved = backup(tmp_path / "all.backup")
    assert (saved.rows, saved.datasets, saved.artifacts) == (sum(map(len, before.values())), 1, 1)
    assert (tmp_path / "all.backup").stat().st_mode & 0o777 == 0o600
    empty(home)
    assert not Market.objects.exists()
    assert restore(tmp_path / "all.backup") == saved
    assert everything() == before and files_of(home) == files
    dataset = Dataset.objects.get()
    assert fingerprint(local_bars(dataset.sha256)) == dataset.sha256
    artifact_store().verify(Strategy.objects.exclude(artifact="").get().artifact)
    child = StrategyPerformance.objects.filter(generation=1).first()
    assert child is not None and child.parents.count() == 3
    assert User.objects.get().check_password(pages.PASSWORD)
    assert Market.objects.create(symbol="NEW", venue="test", interval=60).pk > dataset.market_id
    # The scan that was running is one whose worker has died: it goes on.
    scan = PatternScan.objects.get()
    assert scan.state == RunState.RUNNING and services.claim("scan", scan.pk) == 2


def test_a_home_with_rows_is_refused_unless_they_may_go(home: Path, tmp_path: Path) -> None:
    backup(tmp_path / "all.backup")
    expire_leases()
    saved = everything()
    Market.objects.update(symbol="CHANGED")
    make_market(gaussian_bars(800, seed=4), symbol="LATER")
    changed = everything()
    with pytest.raises(StateConflict, match=r"should be empty, its .* has \d+ rows"):
        restore(tmp_path / "all.backup")
    assert everything() == changed
    restore(tmp_path / "all.backup", replace=True)
    PatternScan.objects.update(lease_until=PatternScan.objects.get().lease_until)
    expire_leases()
    assert everything() == saved


def test_a_run_at_work_is_not_overwritten(home: Path, tmp_path: Path) -> None:
    backup(tmp_path / "all.backup")
    with pytest.raises(StateConflict, match=r"scan-\d+ is running: stop the workers first"):
        restore(tmp_path / "all.backup", replace=True)


def test_an_altered_backup_changes_nothing(home: Path, tmp_path: Path, settings: Any) -> None:
    whole = tmp_path / "whole"
    backup(whole)
    expire_leases()
    before, files = everything(), files_of(home)
    members = _members(whole)
    dataset = next(name for name in members if name.endswith(".parquet"))
    weights = next(name for name in members if name.endswith(".safetensors"))
    altered: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
        **{name: lambda kept, name=name: kept | {name: _flipped(kept[name])}
           for name in (MANIFEST, SIGNATURE, DATABASE, dataset, weights)},
        "one is missing": lambda kept: {name: kept[name] for name in kept if name != dataset},
        "one is more": lambda kept: kept | {"artifacts/../../evil": b"x"},
        "other order": lambda kept: dict(reversed(kept.items())),
        "nothing": lambda kept: {},
    }  # fmt: skip
    for what, alter in altered.items():
        _tar(tmp_path / "altered", alter(dict(members)))
        with pytest.raises((BackupRejected, ArtifactRejected)):
            restore(tmp_path / "altered", replace=True)
        assert (everything() == before, files_of(home) == files) == (True, True), what
    (tmp_path / "half").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    settings.TRAININGDAY_ARTIFACT_KEYS = settings.TRAININGDAY_ARTIFACT_KEYS
    with pytest.raises(BackupRejected):
        restore(tmp_path / "half", replace=True)
    settings.TRAININGDAY_ARTIFACT_KEYS = ["other:" + "cd" * 32]
    with pytest.raises(BackupRejected, match="unknown key"):
        restore(whole, replace=True)
    assert everything() == before and files_of(home) == files


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _tar(target: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(target, "w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def test_what_fails_midway_leaves_the_home_as_it_was(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(tmp_path / "all.backup")
    empty(home)
    before, copy = everything(), rows._copy
    with monkeypatch.context() as patch:
        patch.setattr(rows, "_copy", lambda model, *ends: copy(model, *ends) - (model is RunEvent))
        with pytest.raises(StateConflict, match="nothing was copied"):
            restore(tmp_path / "all.backup")
    assert everything() == before and files_of(home) == set()
    restore(tmp_path / "all.backup")
    assert Market.objects.get().symbol == "NOISE"


@pytest.mark.only_on_postgresql  # SQLite's own backup is of one moment
def test_rows_are_of_one_moment_while_others_write(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = RunEvent.objects.count(), Market.objects.count()
    copy, written = rows._copy, []

    def write() -> None:
        Market.objects.create(symbol="MEANWHILE", venue="test", interval=60)
        RunEvent.objects.create(run_kind="scan", run_pk=1, seq=99, kind="note", payload={})
        connection.close()

    def copy_while_others_write(model: Any, *ends: str) -> int:
        n_rows = copy(model, *ends)
        if not written:  # after the first table, before all others
            writer = threading.Thread(target=write)
            writer.start()
            writer.join()
            written.append(model)
        return n_rows

    with monkeypatch.context() as patch:
        patch.setattr(rows, "_copy", copy_while_others_write)
        backup(tmp_path / "all.backup")
    assert (RunEvent.objects.count(), Market.objects.count()) == (before[0] + 1, before[1] + 1)
    assert written and written[0] not in (Market, RunEvent)
    with (
        backup_module.unpacked(tmp_path / "all.backup", tmp_path) as folder,
        rows.opened("look", f"sqlite:///{folder / DATABASE}"),
    ):
        found = RunEvent.objects.using("look").count(), Market.objects.using("look").count()
    assert found == before


def test_a_damaged_model_file_is_not_saved(home: Path, tmp_path: Path) -> None:
    name = Strategy.objects.exclude(artifact="").get().artifact
    weights = artifact_store().path(name) / "weights.safetensors"
    weights.write_bytes(_flipped(weights.read_bytes()))
    with pytest.raises(ArtifactRejected, match="do not match the signed hash"):
        backup(tmp_path / "all.backup")
    assert not (tmp_path / "all.backup").exists()


def test_the_commands_say_what_they_did_or_why_not(home: Path, tmp_path: Path) -> None:
    file, out, err = str(tmp_path / "all.backup"), StringIO(), StringIO()
    call_command("backup", file, stdout=out, stderr=err)
    assert "1 datasets, 1 model files" in out.getvalue() and "read back and equal" in out.getvalue()
    for command in ("backup", "restore"):
        with pytest.raises(SystemExit, match="2"):
            call_command(command, file, stdout=out, stderr=err)
    assert "a backup overwrites nothing" in err.getvalue() and "is running" in err.getvalue()
    empty(home)
    call_command("restore", file, stdout=out, stderr=err)
    assert "1 datasets and 1 model files are back." in out.getvalue()
