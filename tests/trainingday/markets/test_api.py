import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.trainingday.markets.importers import cases
from trainingday.markets.models import Market
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
