import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from sessions.models import ModelVersion, TrainingSession
from sessions.queries import home_page
from strategies.models import Champion, Look, Strategy
from tests import pages
from trainingday.markets.models import TestWindow
from trainingday.runs.models import RunEvent

pytestmark = pytest.mark.django_db
MAX_QUERIES = 8

NOT_PROVEN = {
    "verdict": "not_proven",
    "reason": "Not proven: 8,600 unseen bars do not show that it beats the champion.",
    "p_value": None,
    "comparisons": [],
    "n_bars": 8600,
    "n_trades": 214,
    "level": 0.005,
    "sensitivity": "An exam of 8,600 bars catches a candidate that is truly better by 1.4.",
    "rules": [
        {"name": "bars", "title": "Enough bars", "threshold": "at least 250 bars", "value": None, "passed": True,
         "reason": "The test window has 8,600 bars."},
        {"name": "significance", "title": "Better than every baseline beyond luck", "threshold": "p at most 0.005",
         "value": None, "passed": None, "reason": "Sealed: a failed exam reveals only that nothing was proven."},
    ],
}  # fmt: skip


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


@pytest.fixture
def viewer() -> Client:
    return signed_in("viewer")


@pytest.fixture
def operator() -> Client:
    return signed_in("operator")


def n_queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def make_model(session: TrainingSession, number: int) -> ModelVersion:
    strategy = Strategy.objects.create(
        market=session.market, family="ml_model", artifact=f"{number:064d}", fingerprint=f"model-{number}"
    )
    return ModelVersion.objects.create(
        market=session.market, session=session, number=number, strategy=strategy, selection_strategy=strategy,
        algorithm="ppo", hyperparameters={"gamma": 0.95}, seed=1, dataset=session.dataset, train_first_us=0,
        train_last_us=10**12, artifact=f"{number:064d}", weights_hash="ab", validation_sharpe=1.23,
        validation={"n_trades": 40},
    )  # fmt: skip


CHOICE = {
    "chosen": "defaults", "algorithm": "policy_gradient", "n_trials": 20, "level": 0.05, "n_bars": 600,
    "found_sharpe": 0.6543, "found_scores": [0.6], "default_sharpe": 0.4321, "difference": 0.2222, "p_value": 0.131,
    "reason": "The best of 20 trials is not better than the default settings beyond chance, so these stay.",
}  # fmt: skip


def test_a_model_and_its_session_show_the_searched_settings_beside_the_defaults(viewer: Client) -> None:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market))
    model = make_model(session, 1)
    for url in (model.get_absolute_url(), session.get_absolute_url()):
        assert "Searched settings or defaults" not in viewer.get(url).content.decode()
    ModelVersion.objects.update(settings_choice=CHOICE)
    for url in (model.get_absolute_url(), session.get_absolute_url()):
        text = viewer.get(url).content.decode()
        assert "Searched settings or defaults" in text and CHOICE["reason"] in text
        assert "0.65" in text and "0.43" in text and "p-value 0.13" in text
        assert "p ≤ 0.05" in text


@pytest.mark.parametrize("name", ["home", "sessions:list", "sessions:models", "sessions:start"])
def test_anonymous_visitors_are_sent_to_log_in(client: Client, name: str) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert response.url.startswith(reverse("login"))


def test_pages_of_one_row_send_anonymous_visitors_to_log_in(client: Client) -> None:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market))
    for name in ("detail", "report", "report-json"):
        assert client.get(reverse(f"sessions:{name}", args=[session.pk])).status_code == 302


def test_a_viewer_may_read_but_not_start(viewer: Client) -> None:
    assert viewer.get(reverse("sessions:list")).status_code == 200
    assert viewer.get(reverse("sessions:start")).status_code == 403
    assert viewer.post(reverse("sessions:start"), {"market": "X"}).status_code == 403
    assert b"Start a training session" not in viewer.get(reverse("sessions:list")).content


def test_an_operator_starts_a_session(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    market = pages.make_market()
    dataset = pages.make_dataset(market)
    asked = {}

    def request_session(**given: object) -> TrainingSession:
        asked.update(given)
        return pages.make_session(market, dataset, state="queued")

    monkeypatch.setattr("sessions.views.request_session", request_session)
    form = {"market": market.slug, "preset": "quick", "seed": "7"}
    response = operator.post(reverse("sessions:start"), form)
    session = TrainingSession.objects.get()
    assert response.status_code == 302
    assert response.url == session.get_absolute_url()
    assert (asked["market"], asked["preset"], asked["seed"]) == (market, "quick", 7)
    assert asked["user"].username == "operator"


def test_a_market_without_bars_is_refused_with_a_sentence(operator: Client) -> None:
    market = pages.make_market()
    response = operator.post(reverse("sessions:start"), {"market": market.slug, "preset": "quick"})
    assert response.status_code == 422
    assert "No market is loaded" in response.content.decode()
    assert not TrainingSession.objects.exists()


@pytest.mark.parametrize(
    "form", [{}, {"market": "nothing", "preset": "quick"}, {"seed": "-1"}, {"preset": "x"}]
)
def test_a_wrong_form_stores_nothing(operator: Client, form: dict[str, str]) -> None:
    assert operator.post(reverse("sessions:start"), form).status_code == 422
    assert not TrainingSession.objects.exists()


def test_the_list_costs_the_same_for_five_and_for_fifty_rows(viewer: Client) -> None:
    market = pages.make_market()
    dataset = pages.make_dataset(market)
    counts = []
    for rows in (5, 45):
        for _ in range(rows):
            pages.add_trials(pages.make_session(market, dataset), 3)
        counts.append(n_queries(viewer, reverse("sessions:list")))
    assert counts[0] == counts[1] <= MAX_QUERIES


def test_the_list_filters_sorts_and_pages(viewer: Client) -> None:
    market, other = pages.make_market(), pages.make_market("ETH/USD")
    dataset = pages.make_dataset(market)
    for score in (0.5, 1.5, 1.0):
        pages.make_session(market, dataset, new_sharpe=score)
    failed = pages.make_session(other, pages.make_dataset(other), state="failed", reason="no memory")
    by_score = viewer.get(reverse("sessions:list"), {"sort": "-score", "market": market.slug})
    assert [session.new_sharpe for session, _ in by_score.context["lines"]] == [1.5, 1.0, 0.5]
    only_failed = viewer.get(reverse("sessions:list"), {"state": "failed"})
    assert [session.pk for session, _ in only_failed.context["lines"]] == [failed.pk]
    for strange in ({"sort": "password"}, {"page": "x"}, {"state": "'"}):
        assert viewer.get(reverse("sessions:list"), strange).status_code == 200


def test_htmx_gets_the_list_alone_and_a_restored_page_whole(viewer: Client) -> None:
    url = reverse("sessions:list")
    part = viewer.get(url, headers={"HX-Request": "true", "HX-Target": "list"})
    assert b"<html" not in part.content
    headers = {"HX-Request": "true", "HX-Target": "list", "HX-History-Restore-Request": "true"}
    assert b"<html" in viewer.get(url, headers=headers).content


def test_a_session_page_costs_the_same_for_few_and_many_trials(viewer: Client) -> None:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market), state="running", stage="search")
    pages.add_trials(session, 5)
    few = n_queries(viewer, session.get_absolute_url())
    session.trials.all().delete()
    pages.add_trials(session, 50)
    for seq in range(1, 60):
        pages.add_event(session, seq, "curve", seed=1, step=seq * 1000, validation_sharpe=0.1)
    for number in range(5):
        make_model(session, number)
    assert few == n_queries(viewer, session.get_absolute_url()) <= MAX_QUERIES


def test_a_running_session_shows_its_state_from_the_database(operator: Client) -> None:
    market = pages.make_market()
    session = pages.make_session(
        market, pages.make_dataset(market), state="running", stage="search", progress=0.4
    )
    pages.add_event(session, 1, "stage", stage="search", progress=0.3, eta_seconds=120)
    for seq in range(2, 9):
        pages.add_event(session, seq, "progress", detail=f"trial {seq}", progress=0.4, eta_seconds=90)
    pages.add_event(session, 9, "note", text="Nine is the newest.")
    text = operator.get(session.get_absolute_url()).content.decode()
    assert 'data-since="9"' in text
    assert "trial 8" in text and "trial 7" not in text
    assert "Nine is the newest." in text
    assert '<li data-stage="search" class="is-now" aria-current="step">' in text
    assert reverse("runs:cancel", args=[session.public_id]) in text


def test_a_failed_exam_shows_its_rules_and_keeps_its_numbers_sealed(viewer: Client) -> None:
    market = pages.make_market()
    session = pages.make_session(
        market, pages.make_dataset(market), verdict="not_proven", report={"gate": NOT_PROVEN}
    )
    for url in (session.get_absolute_url(), reverse("sessions:report", args=[session.pk])):
        text = viewer.get(url).content.decode()
        assert "not proven</span>" in text and "<strong>8,600 unseen bars do not show" in text
        assert NOT_PROVEN["reason"] not in text
        assert "p at most 0.005" in text
        assert ">sealed</abbr>" in text
        assert "What this exam could have seen" in text


@pytest.mark.parametrize(
    "report",
    [{}, {"gate": None}, {"split": {}}, {"tournament": []}, {"criteria": [{}]}, {"diagnostics": [{}]}],
)
def test_a_report_with_missing_parts_still_shows(viewer: Client, report: dict[str, object]) -> None:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market), report=report)
    for name in ("detail", "report", "report-json"):
        assert viewer.get(reverse(f"sessions:{name}", args=[session.pk])).status_code == 200


def test_what_stands_beside_the_gate_is_shown_as_deciding_nothing(viewer: Client) -> None:
    market = pages.make_market()
    row = {"name": "psr", "title": "Probabilistic Sharpe ratio", "value": 0.875, "low": None, "high": None}
    undefined = {**row, "title": "Deflated Sharpe ratio", "value": None}
    rows = [{**each, "n": 1199, "note": "On validation."} for each in (row, undefined)]
    report = {"diagnostics": rows}
    session = pages.make_session(market, pages.make_dataset(market), report=report)
    for name in ("detail", "report"):
        page = viewer.get(reverse(f"sessions:{name}", args=[session.pk])).content.decode()
        assert "Beside the gate: these decide nothing" in page
        assert "0.875" in page and "1,199" in page and "None" not in page


def test_the_json_report_says_which_segment_its_sharpe_is_of(viewer: Client) -> None:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market), new_sharpe=1.2)
    body = viewer.get(reverse("sessions:report-json", args=[session.pk])).json()
    assert (body["new_sharpe"], body["sharpe_segment"]) == (1.2, "validation")


def test_text_of_a_report_cannot_inject_markup(viewer: Client) -> None:
    market = pages.make_market()
    gate = {"verdict": "not_proven", "reason": "<script>alert(1)</script>", "rules": []}
    session = pages.make_session(market, pages.make_dataset(market), report={"gate": gate})
    pages.add_event(session, 1, "curve", seed="</script><script>alert(2)", step=1, validation_sharpe=0.5)
    text = viewer.get(session.get_absolute_url()).content.decode()
    assert "<script>alert" not in text


def test_a_session_that_is_not_there_is_404(viewer: Client) -> None:
    assert viewer.get(reverse("sessions:detail", args=[99])).status_code == 404


def test_models_cost_the_same_for_five_and_for_fifty_rows(viewer: Client) -> None:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market))
    for number in range(5):
        make_model(session, number)
    few = n_queries(viewer, reverse("sessions:models"))
    for number in range(5, 50):
        make_model(session, number)
    assert few == n_queries(viewer, reverse("sessions:models")) <= MAX_QUERIES
    assert n_queries(viewer, reverse("sessions:model", args=[ModelVersion.objects.first().pk])) <= MAX_QUERIES


def test_home_costs_the_same_for_one_and_for_many_markets(viewer: Client) -> None:
    counts = []
    for symbols in (["A/USD"], [f"B{i}/USD" for i in range(20)]):
        for symbol in symbols:
            market = pages.make_market(symbol)
            dataset = pages.make_dataset(market)
            window = TestWindow.objects.create(market=market, first_us=0, last_us=10)
            session = pages.make_session(market, dataset, state="running")
            model = make_model(session, 1)
            Look.objects.create(
                market=market, test_window=window, dataset=dataset, strategy=model.strategy, run_kind="session",
                run_pk=session.pk, is_charged=True, level=0.005, verdict="not_proven", decision={},
            )  # fmt: skip
            Champion.objects.create(market=market, strategy=model.strategy, reason="By hand.")
        counts.append(n_queries(viewer, reverse("home")))
    assert counts[0] == counts[1] <= MAX_QUERIES


@pytest.mark.parametrize("stage", ["rejected", "baseline"])
def test_the_page_of_an_examined_model_shows_its_gate_card(viewer: Client, stage: str) -> None:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market), report={"gate": NOT_PROVEN})
    model = make_model(session, 1)
    ModelVersion.objects.update(stage=stage)
    text = viewer.get(reverse("sessions:model", args=[model.pk])).content.decode()
    assert ("What this exam could have seen" in text) is (stage == "rejected")
    assert ("<strong>8,600 unseen bars do not show" in text) is (stage == "rejected")


@pytest.mark.parametrize("verdicts", [[], ["not_proven"], ["not_proven", "passed"], ["passed", "not_proven"]])
def test_home_counts_exams_as_the_ledger_does(verdicts: list[str]) -> None:
    from strategies.queries import exams_left

    market = pages.make_market()
    dataset = pages.make_dataset(market)
    window = TestWindow.objects.create(market=market, first_us=0, last_us=10)
    strategy = Strategy.objects.create(market=market, family="momentum", fingerprint="x")
    for number, verdict in enumerate(verdicts):
        Look.objects.create(
            market=market, test_window=window, dataset=dataset, strategy=strategy, run_kind="session",
            run_pk=number, is_charged=True, level=0.005, verdict=verdict, decision={},
        )  # fmt: skip
    [line] = home_page().markets
    assert line.exams_left == exams_left(market, window)


def test_home_without_anything_says_what_to_do(viewer: Client) -> None:
    text = viewer.get(reverse("home")).content.decode()
    assert "No market is loaded" in text
    assert "Nothing is running" in text
    assert RunEvent.objects.count() == 0


def test_pages_hold_no_inline_script_or_style(operator: Client) -> None:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market), state="running")
    urls = [reverse("home"), reverse("sessions:list"), session.get_absolute_url(), reverse("sessions:start")]
    for url in urls:
        text = operator.get(url).content.decode()
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick=" not in text
        assert "<script>" not in text
