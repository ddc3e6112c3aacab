import logging

import numpy as np
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient
from tests.trained import tiny_run

from sulsul.predictor import Predictor
from sulsul.serving.application import create_application
from sulsul.serving.settings import ServingSettings

KEY = SecretStr("a-key-of-more-than-sixteen-letters")


def test_predictions_are_those_of_the_predictor(client, predictor):
    texts = ["정말 좋았다", "", "the staff was rude", "x " * 3000]
    response = client.post("/predict", json={"texts": texts})
    assert response.status_code == 200
    answers = response.json()["predictions"]
    expected = predictor.probabilities(texts)
    given = [[answer["probabilities"][name] for name in predictor.classes] for answer in answers]
    np.testing.assert_allclose(given, expected, atol=1e-6)
    assert [answer["label"] for answer in answers] == [p.labels[0] for p in predictor.predict(texts)]
    assert answers[1]["n_tokens"] == 0
    assert answers[3]["n_unknown"] == 3000


def test_one_text_is_answered_like_a_list_of_one(client):
    one = client.post("/predict", json={"text": "추천합니다"}).json()
    assert one == client.post("/predict", json={"texts": ["추천합니다"]}).json()
    assert client.post("/predict", json={"texts": []}).json() == {"predictions": []}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "either text or texts"),
        (b'{"text": "a", "texts": []}', "either text or texts"),
        (b'{"texts": "a"}', "texts: Input should be a valid"),
        (b'{"texts": ["a", 1]}', "texts.1: Input should be a valid string"),
        (b'{"text": null}', "text: Input should be a valid string"),
        (b'{"text": "a", "secret word": 1}', "body: unknown key"),
        (b'{"text": "\\ud800"}', "not valid JSON"),
        (b'{"text": NaN}', "text: Input"),
        (b"\xff\xfe", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_malformed_body_is_refused_without_quoting_it(client, content, words):
    response = client.post("/predict", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert words in response.json()["detail"]
    assert "secret word" not in response.text


def test_only_json_is_read(client):
    response = client.post("/predict", content=b'{"text": "a"}', headers={"content-type": "text/plain"})
    assert response.status_code == 415


def test_limits(client_with):
    client = client_with(max_body_bytes=200, max_texts=2, max_text_characters=5)
    assert client.post("/predict", json={"texts": ["12345", ""]}).status_code == 200
    long = client.post("/predict", json={"texts": ["a", "123456"]})
    assert (long.status_code, "text 1 (counted from 0) has 6 characters" in long.text) == (422, True)
    many = client.post("/predict", json={"texts": ["a"] * 3})
    assert (many.status_code, "at most 2" in many.text) == (422, True)
    assert client.post("/predict", json={"text": "a" * 200}).status_code == 413
    streamed = client.post("/predict", content=iter([b"x" * 150, b"x" * 150]))
    assert streamed.status_code == 413


def test_a_full_queue_says_when_to_come_back(client_with):
    client = client_with(max_queued_texts=3)
    refused = client.post("/predict", json={"texts": ["a"] * 4})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert client.post("/predict", json={"texts": ["a"] * 3}).status_code == 200
    assert client.get("/readyz").status_code == 200


def test_a_request_that_takes_too_long_is_given_up(client_with, predictor, monkeypatch):
    client = client_with(timeout_s=0.2)
    original = type(predictor).logits

    def slow(self, encoded, texts=None):
        import time

        time.sleep(0.5)
        return original(self, encoded, texts)

    monkeypatch.setattr(type(predictor), "logits", slow)
    response = client.post("/predict", json={"text": "a"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "0.2 s" in response.json()["detail"]


def test_an_unexpected_error_is_a_500_and_the_server_goes_on(client_with, predictor, monkeypatch, caplog):
    client = client_with()
    secret = "비밀"
    with monkeypatch.context() as patch:

        def broken(self, encoded, texts=None):
            raise RuntimeError(secret)

        patch.setattr(type(predictor), "logits", broken)
        response = client.post("/predict", json={"text": secret})
    assert response.status_code == 500
    assert "RuntimeError" in caplog.text
    assert secret not in caplog.text + response.text
    assert client.post("/predict", json={"text": "a"}).status_code == 200


def test_the_key_opens_the_model_and_nothing_else_needs_it(client_with):
    client = client_with(api_key=KEY)
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY.get_secret_value()}"}):
        response = client.post("/predict", json={"text": "a"}, headers=header)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    right = {"authorization": f"bearer {KEY.get_secret_value()}"}
    assert client.post("/predict", json={"text": "a"}, headers=right).status_code == 200
    assert client.get("/metrics").status_code == client.get("/model").status_code == 401
    assert client.get("/nothing").status_code == 401
    for path in ("/", "/healthz", "/readyz", "/page/script.js", "/page/style.css", "/openapi.json"):
        assert client.get(path).status_code == 200
    assert "HTTPBearer" in client.get("/openapi.json").json()["components"]["securitySchemes"]


def test_names_of_other_sites_are_not_answered(client, client_with):
    for host, status in [("evil.example", 400), ("localhost.evil.example", 400), ("[::1]:80", 200), ("127.0.0.1", 200)]:
        assert client.get("/", headers={"host": host}).status_code == status
    assert client_with(host="0.0.0.0").get("/", headers={"host": "any.example"}).status_code == 200
    named = client_with(allowed_hosts=("a.example",))
    assert named.get("/", headers={"host": "A.example:8000"}).status_code == 200
    assert named.get("/").status_code == 400


def test_every_answer_carries_the_security_headers(client):
    for path in ("/", "/nothing", "/metrics", "/page/script.js"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_texts_stay_out_of_the_log_unless_asked(client_with, caplog):
    caplog.set_level(logging.DEBUG)
    client_with().post("/predict", json={"text": "비밀입니다"})
    assert 'POST "/predict" 200' in caplog.text
    assert "비밀입니다" not in caplog.text
    client_with(log_texts=True).post("/predict", json={"text": "한 줄\n두 줄"})
    assert '"한 줄\\n두 줄"' in caplog.text


def test_metrics_count_requests_texts_and_labels(client_with):
    client = client_with()
    client.post("/predict", json={"texts": ["정말 좋았다", "zzz yyy"]})
    client.get("/made/up/path")
    lines = client.get("/metrics").text.splitlines()
    values = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}
    assert values['sulsul_requests_total{route="/predict",status="200"}'] == 1
    assert values['sulsul_requests_total{route="other",status="404"}'] == 1
    warm_up = 3
    assert values["sulsul_texts_total"] == 2 + warm_up
    assert values["sulsul_unknown_tokens_total"] >= 2
    assert values["sulsul_queued_texts"] == 0
    assert sum(value for name, value in values.items() if name.startswith("sulsul_predicted_labels_total")) == 2


def test_health(client):
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_openapi_has_examples_that_are_answered(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/predict", "/model", "/healthz", "/readyz", "/metrics"} <= set(paths)
    content = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"]["properties"]["texts"]["maxItems"] == 1000
    for example in content["examples"].values():
        assert client.post("/predict", json=example["value"]).status_code == 200
    assert {"413", "422", "429", "503"} <= set(paths["/predict"]["post"]["responses"])


def test_the_model_describes_itself(client, predictor):
    described = client.get("/model").json()
    assert described["classes"] == list(predictor.classes)
    assert described["name"] == "tiny"


def test_a_blend_with_a_threshold_says_where_it_is_unsure(tmp_path):
    tiny_run(
        tmp_path,
        ensemble={"members": 2},
        wide={"kind": "linear"},
        calibration={"temperature": "validation", "abstain_precision": 0.9},
    )
    predictor = Predictor.load(tmp_path / "run")
    texts = ["정말 좋았다", "", "the staff was rude and slow", "처음 보는 말"]
    application = create_application(predictor, ServingSettings())
    with TestClient(application, base_url="http://localhost") as client:
        answers = client.post("/predict", json={"texts": texts}).json()["predictions"]
        described = client.get("/model").json()
    expected = predictor.predict(texts)
    assert [answer["abstained"] for answer in answers] == [answer.abstained for answer in expected]
    assert {answer["abstained"] for answer in answers} == {True, False}
    assert described["abstain_below"] == predictor.abstention.threshold
    given = [[answer["probabilities"][name] for name in predictor.classes] for answer in answers]
    np.testing.assert_allclose(given, predictor.probabilities(texts), atol=1e-6)


def test_without_a_threshold_nothing_is_said_of_it(client):
    assert "abstained" not in client.post("/predict", json={"text": "a"}).json()["predictions"][0]
    assert client.get("/model").json()["abstain_below"] is None
