from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from tests.trainingday.markets.importers import cases
from trainingday.markets.models import Dataset, Market
from trainingday.markets.offline import load_offline_markets
from trainingday.markets.services import get_or_create_market

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def datasets(settings, tmp_path) -> Path:
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"
    return tmp_path / "datasets"


def login(client, role: str):
    user = User.objects.create_user(role, password="a-long-password")
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    client.force_login(user)
    return client


@pytest.fixture
def viewer(client):
    return login(client, "viewer")


@pytest.fixture
def operator(client):
    return login(client, "operator")


def upload(data: bytes, name: str = "a.csv", **fields: str) -> dict:
    return {"file": SimpleUploadedFile(name, data), "symbol": "TEST/USD", "venue": "file", **fields}


def test_pages_ask_for_a_login(client):
    for name in ("list", "import"):
        assert client.get(reverse(f"markets:{name}")).status_code == 302


def test_the_empty_list_says_what_to_do(viewer):
    assert "load_offline" in viewer.get(reverse("markets:list")).content.decode()


def test_the_list_shows_markets_with_their_data(viewer):
    load_offline_markets()
    page = viewer.get(reverse("markets:list")).content.decode()
    assert "SP500-1d" in page
    assert "5,031" in page
    assert "1999-01-04" in page


def test_the_list_takes_the_same_queries_for_more_markets(viewer, django_assert_max_num_queries):
    load_offline_markets()
    with django_assert_max_num_queries(8) as few:
        viewer.get(reverse("markets:list"))
    for number in range(15):
        get_or_create_market(f"X{number}", "file", 3600, calendar="crypto")
    with django_assert_max_num_queries(len(few)):
        viewer.get(reverse("markets:list"))


@pytest.mark.parametrize("sort", ["bars", "-bars", "gaps", "nonsense", "-"])
def test_the_list_sorts_and_ignores_unknown_orders(viewer, sort):
    load_offline_markets()
    assert viewer.get(reverse("markets:list"), {"sort": sort, "page": "x"}).status_code == 200


def test_a_market_shows_candles_quality_and_split(viewer):
    load_offline_markets()
    page = viewer.get(reverse("markets:detail", args=["SP500-1d"])).content.decode()
    assert 'id="candles-data"' in page
    assert "segment-test" in page
    assert "0 with 0 missing bars" in page


def test_the_page_of_a_market_with_few_bars_explains_the_missing_split(operator):
    operator.post(reverse("markets:import"), upload(cases.valid().data, action="import"))
    page = operator.get(reverse("markets:detail", args=["TESTUSD-1h"])).content.decode()
    assert "should hold" in page


@pytest.mark.parametrize("query", ["?version=9", "?version=-1", "?version=999999999999999999"])
def test_an_unknown_market_or_version_is_404(viewer, query):
    load_offline_markets()
    assert viewer.get(reverse("markets:detail", args=["SP500-1d"]) + query).status_code == 404
    assert viewer.get(reverse("markets:detail", args=["NONE-1d"])).status_code == 404
    assert viewer.get(reverse("markets:candles", args=["NONE-1d"])).status_code == 404


def test_candles_of_a_stretch_are_finer(viewer):
    load_offline_markets()
    address = reverse("markets:candles", args=["SP500-1d"])
    whole = viewer.get(address).json()
    assert len(whole["x"]) <= 400
    assert whole["bars_per_candle"] == 13
    part = viewer.get(address, {"from": 1_500_000_000_000_000, "to": 1_510_000_000_000_000}).json()
    assert part["bars_per_candle"] == 1
    assert part["x"][0] == "2017-07-17T00:00:00Z"  # the Monday after Friday 14 July 2017, 02:40
    assert viewer.get(address, {"from": "x", "to": "9" * 40}).status_code == 200
    assert viewer.get(address, {"version": 1}).json() == whole
    assert viewer.get(address, {"version": 2}).status_code == 404


def test_a_viewer_may_not_import(viewer):
    assert viewer.get(reverse("markets:import")).status_code == 403
    assert viewer.post(reverse("markets:import"), upload(cases.valid().data)).status_code == 403


def test_an_operator_imports_a_file(operator):
    answer = operator.post(reverse("markets:import"), upload(cases.valid().data, action="import"))
    assert answer.status_code == 302
    assert answer.url == reverse("markets:detail", args=["TESTUSD-1h"])
    assert Dataset.objects.get().source == "a.csv"
    again = operator.post(reverse("markets:import"), upload(cases.valid().data, action="import"), follow=True)
    assert "already" in again.content.decode()


def test_a_preview_shows_what_was_detected_and_stores_nothing(operator):
    page = operator.post(
        reverse("markets:import"), upload(cases.with_rows(lambda rows: rows[::-1]).data, action="preview")
    )
    assert page.status_code == 200
    assert "descending" in page.content.decode()
    assert "reordered" in page.content.decode()
    assert not Market.objects.exists()


def test_a_preview_of_a_bad_file_shows_the_row_and_the_raw_cells(operator):
    page = operator.post(
        reverse("markets:import"),
        upload(cases.cell("$102")().data, action="preview"),
        headers={"HX-Request": "true", "HX-Target": "preview"},
    ).content.decode()
    assert "row 2" in page
    assert "bad_number" in page
    assert "<html" not in page


def test_a_refused_import_answers_with_its_status_and_stores_nothing(operator):
    answer = operator.post(reverse("markets:import"), upload(cases.cell("$102")().data, action="import"))
    assert answer.status_code == 422
    assert "row 2" in answer.content.decode()
    answer = operator.post(reverse("markets:import"), upload(b"MZ\x90", "a.exe", action="import"))
    assert answer.status_code == 415
    assert not Market.objects.exists()


def test_corrections_reach_the_importer(operator):
    data = cases.day_first(1).data
    fields = {"action": "import", "day_order": "day_first"}
    assert operator.post(reverse("markets:import"), upload(data, **fields)).status_code == 302
    assert str(Dataset.objects.get().first_at) == "2024-01-01 00:00:00+00:00"


def test_a_bad_correction_is_a_form_error(operator):
    answer = operator.post(
        reverse("markets:import"), upload(cases.valid().data, action="import", columns="close=foo")
    )
    assert answer.status_code == 422
    assert "role of column" in answer.content.decode()
    assert operator.post(reverse("markets:import"), {"symbol": ""}).status_code == 422


def test_file_text_is_escaped(operator):
    data = cases.cell("<script>alert(1)</script>")().data
    page = operator.post(reverse("markets:import"), upload(data, action="preview")).content.decode()
    assert "<script>alert" not in page
