import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.trainingday.markets.importers import cases
from tests.trainingday.markets.importers.cases import BUILDERS
from tests.trainingday.markets.importers.test_cases import STATED
from trainingday.markets import api
from trainingday.markets.models import Dataset, Market
from trainingday.markets.offline import load_offline_markets

pytestmark = pytest.mark.django_db
DATASETS = "/api/v1/datasets/"


@pytest.fixture(autouse=True)
def datasets(settings, tmp_path):
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"


def login(client, role: str):
    user = User.objects.create_user(role, password="a-long-password")
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    client.force_login(user)
    return client


@pytest.fixture
def operator(client):
    return login(client, "operator")


def upload(data: bytes, name: str = "a.csv", **fields):
    return {"file": SimpleUploadedFile(name, data), "symbol": "TEST", **fields}


def raw_upload(name: str, data: bytes) -> dict:
    """Return a request body whose file name no client library has cleaned."""
    head = f'--X\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    symbol = b'\r\n--X\r\nContent-Disposition: form-data; name="symbol"\r\n\r\nTEST\r\n--X--\r\n'
    return {"data": head + data + symbol, "content_type": "multipart/form-data; boundary=X"}


def test_anonymous_and_viewers_may_not_import(client):
    assert client.get(DATASETS).status_code == 401
    assert client.post(DATASETS, upload(cases.valid().data)).status_code == 401
    login(client, "viewer")
    assert client.get(DATASETS).status_code == 200
    assert client.post(DATASETS, upload(cases.valid().data)).status_code == 403
    assert client.post(DATASETS + "preview/", upload(cases.valid().data)).status_code == 403


def test_markets_and_datasets_can_be_read(operator):
    load_offline_markets()
    markets = operator.get("/api/v1/markets/").json()["results"]
    assert [market["slug"] for market in markets] == ["NASDAQ-1d", "SP500-1d"]
    assert markets[1]["n_bars"] == 5031
    detail = operator.get(f"{DATASETS}{markets[1]['dataset']}/").json()
    assert detail["sha256"] == markets[1]["dataset_sha256"]
    assert detail["quality"]["gaps"]["count"] == 0
    assert operator.get("/api/v1/markets/SP500-1d/").json()["bars_per_year"] == 252
    assert operator.get("/api/v1/markets/NONE/").status_code == 404


def test_unknown_parameters_are_refused(operator):
    assert operator.get(DATASETS, {"colour": "red"}).status_code == 400
    assert operator.post(DATASETS, upload(cases.valid().data, colour="red")).status_code == 400
    assert not Market.objects.exists()


# every case runs through the service in importers/test_cases.py; here one of each kind of answer
OVER_HTTP = [
    "valid", "valid parquet", "header missing", "same file imported twice", "off grid 01:30", "NaN price",
    "0 bytes", "1 MB field", "1000 columns", "file over the limit (limit lowered in the test)", "parquet bomb",
    "exe", "csv named parquet", "traversal name", "backslash name", "zip bomb", "latin-1",
    "conflicting duplicate stamps with the rule keep=last given", "quarantine chosen: 3 bad rows of 5000",
    "JSON nested 100000 deep",
]  # fmt: skip


@pytest.mark.parametrize("name", OVER_HTTP)
def test_the_api_answers_as_stated(name, shared_dir, operator, monkeypatch):
    stated = STATED[name]
    case = BUILDERS[name]()
    monkeypatch.setattr(api, "upload_limits", lambda: case.limits)
    filename = stated["filename"].replace("\\n", "\n").replace("\\\\", "\\")
    options = {"keep": case.options.keep, "quarantine": case.options.quarantine}
    fields = {key: value for key, value in options.items() if value}
    for _ in range(case.uploads):
        if "/" in filename:
            answer = operator.post(DATASETS, **raw_upload(filename, case.data))
        elif "\\" in filename:
            answer = operator.post(DATASETS, **raw_upload(filename.replace("\\", "\\\\"), case.data))
        else:
            answer = operator.post(DATASETS, upload(case.data, filename, **fields))
    assert answer.status_code == int(stated["http_status"]), answer.content
    body = answer.json()
    if answer.status_code < 300:
        codes = [warning["code"] for warning in body["warnings"]] or ["ok"]
        assert stated["code"] in (*codes, body["code"])
    else:
        assert body["code"] == stated["code"]
        assert body.get("row") == (int(stated["row"]) if stated["row"] else None)
        assert not Dataset.objects.exists()


def test_a_preview_answers_the_detection_and_stores_nothing(operator):
    body = operator.post(DATASETS + "preview/", upload(cases.valid().data)).json()
    assert body["detected"]["interval"] == 3600
    assert body["rows"][0][1:5] == ["100.0", "101.5", "99.5", "101.0"]
    bad = operator.post(DATASETS + "preview/", upload(cases.cell("$1")().data)).json()
    assert (bad["problem"]["code"], bad["problem"]["row"]) == ("bad_number", 2)
    assert not Market.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"interval": "7m"},
        {"keep": "both"},
        {"price_scale": "0"},
        {"price_scale": "nan"},
        {"columns": "x=y"},
        {"symbol": ""},
        {"on_date": "yesterday"},
    ],
)
def test_bad_fields_are_400(operator, fields):
    assert operator.post(DATASETS, {**upload(cases.valid().data), **fields}).status_code == 400


def test_an_unknown_zone_is_400(operator):
    data = cases.with_stamps(lambda hour: cases.iso(hour).removesuffix("Z")).data
    assert operator.post(DATASETS, upload(data, zone="Mars/Phobos")).status_code == 400
