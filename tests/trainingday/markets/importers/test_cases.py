"""Every row of import_cases.csv: the stated status, code and row, through the real API."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.trainingday.markets.importers.cases import BUILDERS, MORE_WARNINGS, Case
from trainingday.markets import api
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.models import Dataset, Market

SHARED = Path(__file__).resolve().parents[5] / "shared"
DATASETS = "/api/v1/datasets/"
BOUNDARY = "X-boundary-X"


def stated_cases() -> dict[str, dict[str, str]]:
    path = SHARED / "cases" / "import_cases.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


STATED = stated_cases()


def test_every_stated_case_has_a_builder_and_every_builder_a_case(shared_dir):
    assert set(stated_cases()) == set(BUILDERS)


def body(case: Case, filename: str) -> bytes:
    """Return an upload as a client sends it that cleans no file name; only `keep` and `quarantine` are said."""
    said = {"symbol": "TEST", "keep": case.options.keep, "quarantine": case.options.quarantine}
    assert case.options == ImportOptions(keep=case.options.keep, quarantine=case.options.quarantine)
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in said.items()
        if value
    ]
    quoted = filename.replace("\\", "\\\\").replace('"', '\\"')
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'.encode()
    )
    return b"".join([*parts, head, case.data, f"\r\n--{BOUNDARY}--\r\n".encode()])


def post(client, case: Case, filename: str):
    if "\n" in filename:  # no header can hold one; the parser sees what a library would decode
        upload = SimpleUploadedFile("a.csv", case.data)
        upload._name = filename
        return client.post(DATASETS, {"symbol": "TEST", "file": upload})
    return client.post(
        DATASETS, data=body(case, filename), content_type=f"multipart/form-data; boundary={BOUNDARY}"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("name", BUILDERS)
def test_it_answers_as_stated(name, shared_dir, settings, tmp_path, client, make_user, monkeypatch):
    stated, case = STATED[name], BUILDERS[name]()
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"
    monkeypatch.setattr(api, "upload_limits", lambda: case.limits)
    client.force_login(make_user("operator"))
    filename = stated["filename"].replace("\\n", "\n").replace("\\\\", "\\")
    for _ in range(case.uploads):
        answer = post(client, case, filename)
    content = answer.json()
    assert answer.status_code == int(stated["http_status"]), content
    if answer.status_code == 201:
        codes = [warning["code"] for warning in content["warnings"]]
        wanted = [] if stated["code"] == "ok" else [stated["code"]]
        assert stated["code"] in codes if name in MORE_WARNINGS else codes == wanted
    else:
        assert content["code"] == stated["code"]
        assert content.get("row") == (int(stated["row"]) if stated["row"] else None)
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert not Market.objects.exists()
        assert not Dataset.objects.exists()
        assert not list(tmp_path.rglob("*.parquet"))
