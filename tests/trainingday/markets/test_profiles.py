"""Import profiles: saved from a file, applied to others on the page, through the API and by command."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from tests.trainingday.markets.importers import cases
from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.importers.reader import read_file
from trainingday.markets.models import Dataset, ImportProfile, Market
from trainingday.markets.profiles import apply_profile, save_profile

pytestmark = pytest.mark.django_db
DATASETS, PROFILES = "/api/v1/datasets/", "/api/v1/import-profiles/"
# rows as a broker writes them: newest first, day first, decimal comma, close-stamped, New York, one row twice
BROKER = cases.text(
    [
        [f"0{6 - row}/03/2024 16:00", *(value.replace(".", ",") for value in cell[1:])]
        for row, cell in enumerate(cases.rows()[:5])
    ],
    header="When,O,Hi,Lo,Last,Vol",
    delimiter=";",
)
CORRECTIONS = {
    "zone": "America/New_York", "stamp": "close", "day_order": "day_first", "decimal": "comma", "keep": "last",
    "columns": "When=time\nO=open\nHi=high\nLo=low\nLast=close\nVol=volume",
}  # fmt: skip
OPTIONS = ImportOptions.from_fields({**CORRECTIONS, "columns": CORRECTIONS["columns"].splitlines()})


@pytest.fixture(autouse=True)
def datasets(settings, tmp_path):
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"


@pytest.fixture
def operator(client, make_user):
    client.force_login(make_user("operator"))
    return client


@pytest.fixture
def broker(db) -> ImportProfile:
    return save_profile("my broker", OPTIONS, read_file(BROKER, "a.csv", OPTIONS).detected, None)


def upload(data: bytes = BROKER, **fields):
    return {"file": SimpleUploadedFile("a.csv", data), **fields}


def test_a_profile_reads_another_file_as_the_corrections_did(broker):
    plain = read_file(BROKER, "a.csv", OPTIONS)
    again = read_file(BROKER, "b.csv", apply_profile(ImportOptions(), broker))
    assert again.bars.timestamps.tolist() == plain.bars.timestamps.tolist()
    assert again.bars.close.tolist() == plain.bars.close.tolist()
    assert again.detected == plain.detected
    assert again.detected.stamp == "close"


def test_what_is_said_beside_a_profile_wins_over_it(broker):
    options = apply_profile(ImportOptions(keep="first", quarantine=True), broker)
    assert (options.keep, options.quarantine, options.zone) == ("first", True, "America/New_York")


@pytest.mark.parametrize(
    ("data", "differences"),
    [
        (BROKER.replace(b";", b"\t"), ["delimiter should be ';', is '\\t'"]),
        (BROKER.replace(b"Vol", b"Volume"), ["the file has no column 'Vol'"]),
        (BROKER.replace(b"/03/2024 16:00", b"/03/2024 16:00:00"), []),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused_naming_what_differs(broker, data, differences):
    options = apply_profile(ImportOptions(), broker)
    if not differences:
        assert len(read_file(data, "a.csv", options).bars) == 5
        return
    with pytest.raises(ImportRefused) as refusal:
        read_file(data, "a.csv", options)
    for difference in differences:
        assert difference in str(refusal.value)


def test_every_difference_is_named_at_once(db):
    hourly = save_profile("hourly", ImportOptions(), read_file(cases.valid().data, "a.csv").detected, None)
    daily = cases.day_first(10).data.replace(b",volume", b"")
    rows = [line.rpartition(b",")[0] for line in daily.splitlines()[1:]]
    data = b"\n".join([b"timestamp,open,high,low,close", *rows])
    with pytest.raises(ImportRefused, match="does not fit the profile 'hourly'") as refusal:
        read_file(data, "a.csv", apply_profile(ImportOptions(), hourly))
    assert (refusal.value.status, refusal.value.code) == (422, "profile_mismatch")
    for named in ("time format should be ISO 8601", "interval should be 1h, is 1d", "zone should be",
                  "column of volume should be volume, is none", "volume unit should be base, is none"):  # fmt: skip
        assert named in str(refusal.value)


def test_the_api_saves_uses_renames_and_deletes_a_profile(operator):
    made = operator.post(PROFILES, upload(name="my broker", **CORRECTIONS))
    assert made.status_code == 201, made.content
    assert made.json()["layout"]["stamp"] == "close"
    assert operator.post(PROFILES, upload(name="my broker", **CORRECTIONS)).status_code == 409
    loaded = operator.post(DATASETS, upload(symbol="TEST", profile="my broker"))
    assert loaded.status_code == 201, loaded.content
    assert loaded.json()["report"]["profile"] == "my broker"
    assert operator.get(PROFILES).json()["results"][0]["name"] == "my broker"
    address = made["Location"]
    renamed = operator.patch(address, {"name": "broker A"}, content_type="application/json")
    assert renamed.json()["name"] == "broker A"
    assert operator.patch(address, {"name": ""}, content_type="application/json").status_code == 400
    assert operator.patch(address, {"layout": {}}, content_type="application/json").status_code == 400
    assert operator.delete(address).status_code == 204
    assert operator.post(DATASETS, upload(symbol="TEST", profile="broker A")).status_code == 400
    assert Dataset.objects.count() == 1


def test_the_api_refuses_a_file_that_does_not_fit_in_import_and_preview(operator, broker):
    answer = operator.post(DATASETS, upload(cases.valid().data, symbol="TEST", profile="my broker"))
    assert (answer.status_code, answer.json()["code"]) == (422, "profile_mismatch")
    shown = operator.post(
        DATASETS + "preview/", upload(cases.valid().data, symbol="TEST", profile="my broker")
    ).json()
    assert shown["problem"]["code"] == "profile_mismatch"
    assert not Market.objects.exists()


def test_a_file_that_cannot_be_read_saves_no_profile(operator):
    answer = operator.post(PROFILES, upload(BROKER, name="x"))
    assert answer.status_code == 422
    assert not ImportProfile.objects.exists()


def test_only_operators_change_profiles(client, make_user, broker):
    client.force_login(make_user("viewer"))
    change = reverse("markets:change-profile", args=[broker.pk])
    assert client.get(reverse("markets:profiles")).status_code == 200
    assert change not in client.get(reverse("markets:profiles")).content.decode()
    assert client.post(change, {"action": "delete"}).status_code == 403
    assert client.post(reverse("markets:save-profile"), {"name": "x"}).status_code == 403
    assert client.get(PROFILES).status_code == 200
    assert client.delete(f"{PROFILES}{broker.pk}/").status_code == 403
    assert client.post(PROFILES, upload(name="y", **CORRECTIONS)).status_code == 403


def test_the_page_saves_from_the_preview_without_the_file_and_uses_the_profile(operator):
    fields = {"symbol": "TEST/USD", "venue": "file", **CORRECTIONS}
    page = operator.post(reverse("markets:import"), upload(action="preview", **fields))
    sealed = page.context["sealed"]
    assert sealed in page.content.decode()
    saved = operator.post(reverse("markets:save-profile"), {"name": "page", "sealed": sealed}, follow=True)
    assert "Saved the import profile page" in saved.content.decode()
    form = operator.get(reverse("markets:import"), {"profile": "page"}).content.decode()
    assert '<option value="page" selected>' in form
    used = upload(action="import", symbol="TEST/USD", venue="file", profile="page")
    assert operator.post(reverse("markets:import"), used).status_code == 302
    wrong = upload(cases.valid().data, action="import", symbol="TEST/USD", venue="file", profile="page")
    answer = operator.post(reverse("markets:import"), wrong)
    assert answer.status_code == 422
    assert "does not fit the profile" in answer.content.decode()


def test_a_preview_that_was_altered_saves_nothing(operator):
    page = operator.post(reverse("markets:save-profile"), {"name": "x", "sealed": "e30:x:y"}, follow=True)
    assert "too old or was altered" in page.content.decode()
    assert not ImportProfile.objects.exists()


def test_the_page_renames_and_deletes(operator, broker):
    save_profile("other", OPTIONS, read_file(BROKER, "a.csv", OPTIONS).detected, None)
    change = reverse("markets:change-profile", args=[broker.pk])
    assert (
        "exists" in operator.post(change, {"action": "rename", "name": "other"}, follow=True).content.decode()
    )
    operator.post(change, {"action": "rename", "name": "=renamed"})
    assert "'=renamed" in operator.get(reverse("markets:profiles"), {"export": "csv"}).content.decode()
    operator.post(change, {"action": "delete"})
    assert list(ImportProfile.objects.values_list("name", flat=True)) == ["other"]


def test_the_command_saves_and_uses_a_profile(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_bytes(BROKER)
    columns = [f"--column={line}" for line in CORRECTIONS["columns"].splitlines()]
    options = ["--zone=America/New_York", "--stamp=close", "--day-first", "--decimal=comma", *columns]
    out = StringIO()
    call_command("load", str(path), "--symbol=X", *options, "--save-profile=cli", "--preview", stdout=out)
    assert "saved as profile 'cli'" in out.getvalue()
    assert not Dataset.objects.exists()
    call_command("load", str(path), "--symbol=X", "--profile=cli", stdout=StringIO())
    assert Dataset.objects.get().quality["profile"] == "cli"
    err = StringIO()
    with pytest.raises(SystemExit):
        call_command("load", str(path), "--symbol=X", "--profile=none", stderr=err)
    assert "known profiles: cli" in err.getvalue()


@pytest.mark.parametrize(
    ("data", "options", "close"),
    [
        # 1,234 alone is one or one thousand: the decimal mark has to be said
        (
            cases.text([[row[0], "1,234", "1,250", "1,200", f"1,23{i}", "5"] for i, row in enumerate(cases.rows())],
                       delimiter=";"),
            {"decimal": ","},
            1.230,
        ),
        (cases.with_stamps(lambda hour: str(cases.epoch(hour) * 1000)).data, {"time_unit": "ms"}, 101.0),
        (cases.text(cases.rows(), header=None), {"has_header": False}, 101.0),
    ],
)  # fmt: skip
def test_what_may_be_ambiguous_can_be_said(data, options, close):
    assert read_file(data, "a.csv", ImportOptions(**options)).bars.close[0] == close


def test_a_wrong_unit_is_refused_not_believed():
    data = cases.with_stamps(lambda hour: str(cases.epoch(hour) * 1000)).data
    with pytest.raises(ImportRefused) as refusal:
        read_file(data, "a.csv", ImportOptions(time_unit="s"))
    assert refusal.value.code in {"bad_timestamp", "timestamp_in_future"}
