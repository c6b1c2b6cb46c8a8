"""The registry of models: evidence decides, reasons are kept, exports come back byte for byte, forgeries never."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from auditlog.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from sessions import registry
from sessions.models import ModelVersion
from strategies.exam import crown
from strategies.models import Champion, Look, Strategy
from strategies.positions import MODEL_FAMILY, get_or_create_strategy
from strategies.store import artifact_store
from strategies.traded_model import save_model
from tests import pages
from tests.strategies.test_traded_model import OVERLAYS, make_policy
from trainingday.artifacts import MANIFEST, SIGNATURE, WEIGHTS, ArtifactStore, canonical_json
from trainingday.markets.models import Market, TestWindow

pytestmark = pytest.mark.django_db
REASON = {"reason": "decided by the desk"}
STAGES = ModelVersion.Stage


def make_version(seed: int = 0, stage: str = STAGES.CANDIDATE, **fields: Any) -> ModelVersion:
    """Return a version with a stored, signed artefact; versions of one test share their market."""
    market = Market.objects.first() or pages.make_market()
    dataset = market.datasets.first() or pages.make_dataset(market)
    policy = make_policy(seed)
    name = save_model(artifact_store(), policy, OVERLAYS[:1], {"algorithm": "ppo", "n": seed})
    strategy = get_or_create_strategy(market, MODEL_FAMILY, {}, name)
    number = ModelVersion.objects.count() + 1
    values = {
        "session": pages.make_session(market, dataset), "strategy": strategy, "selection_strategy": strategy,
        "algorithm": "ppo", "hyperparameters": {"gamma": 0.9}, "seed": 1, "dataset": dataset, "train_first_us": 0,
        "train_last_us": 10**12, "artifact": name, "weights_hash": policy.weights_hash(), "stage": stage,
    } | fields  # fmt: skip
    return ModelVersion.objects.create(market=market, number=number, **values)


def crown_by_exam(version: ModelVersion, verdict: str = "passed") -> Champion:
    window = TestWindow.objects.create(
        market=version.market, first_us=0, last_us=10 + TestWindow.objects.count()
    )
    public = {"verdict": verdict, "reason": "x", "p_value": 0.0007, "n_bars": 900, "comparisons": [
        {"baseline": "buy_and_hold", "difference": 1.25, "ci_low": 0.5, "ci_high": 2.0},
    ], "evidence": {"candidate": {"sharpe_ratio": 2.222, "sharpe_low": 1.111, "sharpe_high": 3.333}}}  # fmt: skip
    look = Look.objects.create(
        market=version.market, test_window=window, dataset=version.dataset, strategy=version.strategy,
        run_kind="session", run_pk=version.session_id, is_charged=True, level=0.005, verdict=verdict,
        decision={"public": public if verdict == "passed" else {"reason": "x"}, "sealed": public},
    )  # fmt: skip
    version.session.look = look
    version.session.save()
    if verdict == "passed":
        crown(version.market, version.strategy, reason="passed", look=look)
    return Champion.objects.order_by("-pk").first()


def api(role: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(pages.make_user(role))
    return client


def url(version: ModelVersion, name: str = "") -> str:
    return f"/api/v1/models/{version.pk}/{name}"


def test_only_evidence_makes_a_model_promotable() -> None:
    admin, version = api("admin"), make_version(stage=STAGES.REJECTED)
    crown_by_exam(version, verdict="not_proven")
    response = admin.post(url(version, "promote/"), REASON)
    assert response.status_code == 409
    assert "has passed no exam" in response.json()["detail"]
    assert not Champion.objects.exists()


def test_a_retired_champion_is_promoted_again_on_its_old_evidence() -> None:
    admin, old, new = api("admin"), make_version(1), make_version(2)
    first, _ = crown_by_exam(old), crown_by_exam(new)
    old.refresh_from_db()
    assert old.stage == STAGES.RETIRED
    response = admin.post(url(old, "promote/"), REASON)
    assert response.status_code == 201, response.json()
    reign = Champion.objects.get(until__isnull=True)
    assert (reign.strategy, reign.restores, reign.decided_by.username) == (old.strategy, first, "admin")
    assert REASON["reason"] in reign.reason
    for version, stage in ((old, STAGES.CHAMPION), (new, STAGES.RETIRED)):
        version.refresh_from_db()
        assert version.stage == stage
    assert admin.post(url(old, "promote/"), REASON).status_code == 409
    assert LogEntry.objects.get_for_objects(Champion.objects.filter(pk=reign.pk)).exists()


def test_a_rollback_takes_up_the_reign_before_and_only_of_the_champion() -> None:
    admin, old, new = api("admin"), make_version(1), make_version(2)
    crown_by_exam(old), crown_by_exam(new)
    assert admin.post(url(old, "roll-back/"), REASON).status_code == 409
    assert admin.post(url(new, "roll-back/"), REASON).status_code == 200
    assert Champion.objects.get(until__isnull=True).strategy == old.strategy
    assert admin.post(url(old, "roll-back/"), REASON).status_code == 204
    assert not Champion.objects.filter(until__isnull=True).exists()


@pytest.mark.parametrize("stage", STAGES.values)
def test_a_candidate_or_a_retired_model_can_be_rejected_with_a_reason(stage: str) -> None:
    version = make_version(stage=stage)
    response = api("admin").post(url(version, "reject/"), REASON)
    version.refresh_from_db()
    if stage in (STAGES.CANDIDATE, STAGES.RETIRED):
        assert (response.status_code, version.stage) == (200, STAGES.REJECTED)
        assert version.stage_reason == "Rejected by admin: decided by the desk"
        entry = LogEntry.objects.get_for_object(version).first()
        assert entry is not None and "stage" in entry.changes
    else:
        assert (response.status_code, version.stage) == (409, stage)


@pytest.mark.parametrize("name", ["promote/", "reject/", "roll-back/"])
def test_decisions_are_an_admins_and_need_a_reason(name: str) -> None:
    version = make_version()
    clients = {role: api(role) for role in ("viewer", "operator", "admin")}
    for role, body, status in (
        ("viewer", REASON, 403),
        ("operator", REASON, 403),
        ("admin", {"reason": "x"}, 400),
        ("admin", {}, 400),
        ("admin", REASON | {"force": True}, 400),
    ):
        response = clients[role].post(url(version, name), body, format="json")
        assert response.status_code == status, (role, body)
    version.refresh_from_db()
    assert version.stage == STAGES.CANDIDATE


@pytest.mark.parametrize(
    ("stage", "why"), [("champion", "champion cannot be deleted"), ("rejected", "reject it with a reason")]
)
def test_no_model_can_be_deleted(stage: str, why: str) -> None:
    version = make_version(stage=stage)
    response = api("admin").delete(url(version))
    assert response.status_code == 409 and why in response.json()["detail"]
    assert ModelVersion.objects.filter(pk=version.pk).exists()


def test_verifying_reads_the_files_anew_and_keeps_the_result() -> None:
    operator, version = api("operator"), make_version(11)
    assert api("viewer").post(url(version, "verify/")).status_code == 403
    found = operator.post(url(version, "verify/")).json()
    assert (found["state"], found["key_id"], found["is_current_key"]) == ("valid", "test", True)
    file = artifact_store().path(version.artifact) / WEIGHTS
    original = file.read_bytes()
    file.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    try:
        found = operator.post(url(version, "verify/")).json()
    finally:
        file.write_bytes(original)
    assert found["state"] == "refused" and "signed hash" in found["reason"]
    version.refresh_from_db()
    assert version.signature == found


def test_weights_that_the_session_did_not_record_are_refused() -> None:
    version = make_version(12, weights_hash="ab" * 32)
    found = registry.verify(version)
    assert found["state"] == "refused" and "the session recorded" in found["reason"]


def export(client: APIClient, version: ModelVersion) -> dict[str, SimpleUploadedFile]:
    files = {}
    for part in registry.PARTS:
        response = client.get(url(version, "export/"), {"part": part})
        assert response.status_code == 200
        name = response["Content-Disposition"].split('"')[1]
        files[part] = SimpleUploadedFile(name, response.content)
    return files


def upload(client: APIClient, files: dict[str, Any], market: str) -> Any:
    return client.post("/api/v1/models/", files | {"market": market}, format="multipart")


def test_an_export_comes_back_byte_for_byte_and_makes_one_strategy() -> None:
    operator, version = api("operator"), make_version(13)
    other = pages.make_market("ETH/USD")
    files = export(operator, version)
    assert {file.name for file in files.values()} == {
        f"{version.market.slug}-v1{suffix}" for suffix in (".safetensors", ".json", ".sig")
    }
    store = artifact_store()
    before = {
        part: (store.path(version.artifact) / part).read_bytes() for part in (WEIGHTS, MANIFEST, SIGNATURE)
    }
    for part in before:
        (store.path(version.artifact) / part).unlink()
    response = upload(operator, files, other.slug)
    assert response.status_code == 201, response.json()
    assert Strategy.objects.get(market=other).artifact == version.artifact
    assert before == {part: (store.path(version.artifact) / part).read_bytes() for part in before}
    for file in files.values():
        file.seek(0)
    assert upload(operator, files, other.slug).status_code == 200
    assert Strategy.objects.filter(market=other).count() == 1


def test_an_export_is_for_operators_and_knows_three_parts() -> None:
    version = make_version(14)
    assert api("viewer").get(url(version, "export/"), {"part": "weights"}).status_code == 403
    operator = api("operator")
    assert operator.get(url(version, "export/"), {"part": "../manifest"}).status_code == 404
    assert operator.get(url(version, "export/"), {"part": "weights", "x": "1"}).status_code == 400
    assert APIClient().get(url(version, "export/"), {"part": "weights"}).status_code == 401


def signed(
    store: ArtifactStore, arrays: dict[str, Any], change: dict[str, Any]
) -> dict[str, SimpleUploadedFile]:
    """Return an upload that a leaked key could sign: arrays as they are, a manifest that says otherwise."""
    from safetensors.numpy import save

    name = save_model(store, make_policy(15), (), {"algorithm": "ppo"})
    weights = save(arrays)
    manifest = store.load(name)[0] | {"weights_sha256": hashlib.sha256(weights).hexdigest()} | change
    body = canonical_json(manifest)
    return {
        "weights": SimpleUploadedFile("m.safetensors", weights),
        "manifest": SimpleUploadedFile("m.json", body),
        "signature": SimpleUploadedFile("m.sig", store.sign(body)),
    }


def good_arrays() -> dict[str, Any]:
    return {f"member_0_{name}": array for name, array in make_policy(15).members[0].arrays().items()}


def with_nan() -> dict[str, Any]:
    arrays = {name: array.copy() for name, array in good_arrays().items()}
    arrays["member_0_bias_0"][3] = np.nan
    return arrays


BAD = {
    "a model .zip": (lambda files: files | {"weights": SimpleUploadedFile("ppo.zip", b"PK\x03\x04")}, 415, "only signed exports"),
    "a .zip by another name": (
        lambda files: files | {"weights": SimpleUploadedFile("m.safetensors", b"PK\x03\x04" + bytes(99))}, 415, "only signed exports",
    ),
    "a pickle": (lambda files: files | {"weights": SimpleUploadedFile("m.pkl", b"\x80\x04.")}, 415, "only signed exports"),
    "a fourth file": (lambda files: files | {"code": SimpleUploadedFile("x.py", b"1")}, 415, "only signed exports"),
    "no signature": (lambda files: {k: v for k, v in files.items() if k != "signature"}, 400, "is missing"),
    "another key": (
        lambda files: files | {"signature": SimpleUploadedFile("m.sig", b"evil:" + b"0" * 64)}, 422, "signature does not match",
    ),
    "an altered manifest": (
        lambda files: files | {"manifest": SimpleUploadedFile("m.json", b"{}")}, 422, "signature does not match",
    ),
    "altered weights": (
        lambda files: files | {"weights": SimpleUploadedFile("m.safetensors", b"x" * 200)}, 422, "signature does not match",
    ),
    "too large a manifest": (
        lambda files: files | {"manifest": SimpleUploadedFile("m.json", b" " * (2**20 + 1))}, 422, "over 1048576 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_upload_is_refused_and_stores_nothing(case: str) -> None:
    operator, market = api("operator"), pages.make_market()
    store = artifact_store()
    files = signed(store, good_arrays(), {})
    before = store.names()
    alter, status, why = BAD[case]
    response = upload(operator, alter(files), market.slug)
    assert response.status_code == status, response.json()
    assert why in response.json()["detail"]
    assert store.names() == before and not Strategy.objects.exists()


@pytest.mark.parametrize(
    ("arrays", "change"),
    [
        (with_nan(), {}),
        ({name: array[:-1] for name, array in good_arrays().items()}, {}),
        (good_arrays(), {"members": []}),
        (good_arrays(), {"feature_version": 10**6}),
        (good_arrays(), {"overlays": [{"name": "martingale"}]}),
    ],
)
def test_weights_that_are_not_what_the_signed_manifest_says_are_refused(
    arrays: dict[str, Any], change: dict[str, Any]
) -> None:
    operator, market = api("operator"), pages.make_market()
    store = artifact_store()
    files = signed(store, arrays, change)
    before = store.names()
    response = upload(operator, files, market.slug)
    assert response.status_code == 422
    assert "weights do not match the manifest" in response.json()["detail"]
    assert store.names() == before and not Strategy.objects.exists()


def test_a_viewer_may_not_upload() -> None:
    files = signed(artifact_store(), good_arrays(), {})
    assert upload(api("viewer"), files, "X").status_code == 403


def page_client(role: str) -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


def test_the_pages_show_test_figures_only_after_a_passed_exam() -> None:
    viewer, passed, failed, none = page_client("viewer"), make_version(1), make_version(2), make_version(3)
    crown_by_exam(failed, "not_proven"), crown_by_exam(passed)
    listing = viewer.get(reverse("sessions:models")).content.decode()
    assert listing.count("2.22") == listing.count("1.11 to 3.33") == 1
    assert listing.count('title="Test numbers stay sealed') == 2
    shown = {
        version: viewer.get(version.get_absolute_url()).content.decode() for version in (passed, failed, none)
    }
    assert "2.22" in shown[passed] and "+1.25" in shown[passed] and "0.0007" in shown[passed]
    assert "2.22" not in shown[failed] and ">sealed</abbr>" in shown[failed]
    assert ">sealed</abbr>" not in shown[none] and "It sat no exam" in shown[none]
    exported = viewer.get(reverse("sessions:models"), {"export": "json"}).json()
    rows = {row["version"]: row for row in (exported["rows"] if isinstance(exported, dict) else exported)}
    assert [rows[n]["test_sharpe"] for n in (1, 2, 3)] == [2.222, None, None]


def test_the_buttons_of_a_model_fit_role_and_stage() -> None:
    version = make_version(4)
    crown_by_exam(version)
    viewer, operator, admin = (
        page_client(role).get(version.get_absolute_url()).content.decode()
        for role in ("viewer", "operator", "admin")
    )
    assert "Verify" not in viewer and "Export weights" not in viewer
    assert "Export weights" in operator and "Roll back" not in operator
    assert 'action="' + reverse("sessions:roll-back-model", args=[version.pk]) in admin
    assert reverse("sessions:promote-model", args=[version.pk]) not in admin


def test_the_buttons_work_and_say_what_they_did() -> None:
    admin, version = page_client("admin"), make_version(5)
    names = {
        name: reverse(f"sessions:{name}-model", args=[version.pk]) for name in ("verify", "promote", "reject")
    }
    assert "Valid: " in admin.post(names["verify"], follow=True).content.decode()
    assert "has passed no exam" in admin.post(names["promote"], REASON, follow=True).content.decode()
    assert "give a reason" in admin.post(names["reject"], {"reason": ""}, follow=True).content.decode()
    assert "is rejected" in admin.post(names["reject"], REASON, follow=True).content.decode()
    operator = page_client("operator")
    for name in ("promote", "reject", "roll-back"):
        address = reverse(f"sessions:{name}-model", args=[version.pk])
        assert operator.post(address, REASON).status_code == 403


def test_the_upload_page_takes_an_export_and_refuses_a_zip() -> None:
    operator, version = page_client("operator"), make_version(6)
    other = pages.make_dataset(pages.make_market("ETH/USD")).market
    files = export(api("admin"), version)
    address = reverse("sessions:upload-model")
    bad = files | {"weights": SimpleUploadedFile("ppo.zip", b"PK\x03\x04")}
    refused = operator.post(address, bad | {"market": other.slug})
    assert refused.status_code == 415 and "only signed exports" in refused.content.decode()
    for file in files.values():
        file.seek(0)
    done = operator.post(address, files | {"market": other.slug})
    assert done.status_code == 302, json.dumps(done.context["form"].errors)
    assert Strategy.objects.filter(market=other).count() == 1
    assert page_client("viewer").get(address).status_code == 403
