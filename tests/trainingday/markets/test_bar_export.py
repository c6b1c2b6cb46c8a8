"""Bars taken away as a file: the same bars when they come back, and no cell that is a formula."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from trainingday.markets.bar_export import _pieces_async
from trainingday.markets.models import Dataset
from trainingday.markets.queries import query_bars
from trainingday.markets.services import load_file

pytestmark = pytest.mark.django_db
KINDS = ["csv", "parquet"]


@pytest.fixture(autouse=True)
def datasets(settings, tmp_path):
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"


def content(answer) -> bytes:
    return b"".join(answer.streaming_content)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_away_comes_back_as_the_same_bars(kind, market, client, make_user):
    client.force_login(make_user("operator"))
    answer = client.get(reverse(f"markets:bars-{kind}", args=[market.slug]))
    assert answer["Content-Disposition"] == f'attachment; filename="{market.slug}-v1.{kind}"'
    again = load_file(content(answer), f"again.{kind}", symbol="AGAIN").dataset
    first, second = query_bars(market.datasets.get()), query_bars(again)
    for name in ("timestamps", "open", "high", "low", "close", "volume"):
        assert getattr(first, name).tolist() == getattr(second, name).tolist(), name


def test_the_cells_of_a_csv_are_times_and_numbers_whatever_the_market_is_called(market, client, make_user):
    Dataset.objects.all()._raw_delete("default")  # rows never change: this one is made anew
    client.force_login(make_user("operator"))
    market.symbol = "=HYPERLINK(0)"
    market.save()
    rows = "timestamp,open,high,low,close,volume\n" + "".join(
        f"2024-01-01T0{hour}:00:00Z,1e-05,2e-05,1e-05,1.5e-05,{hour}\n" for hour in range(6)
    )
    load_file(rows.encode(), "=cmd.csv", symbol="=HYPERLINK(0)", venue="test")
    text = content(client.get(reverse("markets:bars-csv", args=[market.slug]))).decode()
    cells = [cell for line in text.splitlines()[1:] for cell in line.split(",")]
    assert text.splitlines()[1].startswith("2024-01-01T00:00:00Z,0.00001,0.00002,")
    assert all(cell[0].isdigit() for cell in cells)


@pytest.mark.parametrize("kind", KINDS)
def test_the_api_answers_the_file_whatever_the_client_accepts(kind, market, client, make_user):
    client.force_login(make_user("operator"))
    address = f"/api/v1/datasets/{market.datasets.get().pk}/bars.{kind}"
    answer = client.get(address, headers={"Accept": "text/csv"})
    assert answer.status_code == 200
    if kind == "parquet":
        file = pq.ParquetFile(io.BytesIO(content(answer)))
        assert file.metadata.num_rows == 2000
        assert file.schema_arrow.metadata[b"sha256"].decode() == market.datasets.get().sha256
    assert client.get("/api/v1/datasets/999/bars.csv").status_code == 404


def test_only_operators_take_bars_away(market, client, make_user):
    addresses = [
        reverse("markets:bars-csv", args=[market.slug]), f"/api/v1/datasets/{market.datasets.get().pk}/bars.csv",
    ]  # fmt: skip
    assert [client.get(address).status_code for address in addresses] == [302, 401]
    client.force_login(make_user("viewer"))
    assert [client.get(address).status_code for address in addresses] == [403, 403]
    assert "bars.csv" not in client.get(market.get_absolute_url()).content.decode()


async def test_where_asgi_serves_it_is_streamed_in_pieces(tmp_path):
    path = tmp_path / "bars"
    path.write_bytes(bytes(range(256)) * 3000)
    pieces = [piece async for piece in _pieces_async(path.open("rb"))]
    assert len(pieces) == 3
    assert b"".join(pieces) == path.read_bytes()


def test_a_dataset_whose_file_is_gone_is_an_error_with_a_reason(market, client, make_user):
    client.force_login(make_user("operator"))
    dataset = market.datasets.get()
    dataset.path.unlink()
    page = client.get(reverse("markets:bars-csv", args=[market.slug]), follow=True)
    assert "cannot be read" in page.content.decode()
    assert client.get(f"/api/v1/datasets/{dataset.pk}/bars.csv").status_code == 422
    assert client.get(reverse("markets:candles", args=[market.slug])).status_code == 404
