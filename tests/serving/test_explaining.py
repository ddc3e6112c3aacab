import threading

import pytest

from sulsul.explanation import explain


def test_an_explanation_covers_the_text_and_is_the_librarys(client, predictor):
    text = "정말 😀 좋았다, the staff"
    answer = client.post("/explain", json={"text": text}).json()
    expected = explain(predictor, text, method="occlusion", faithfulness=False)
    assert answer["label"] == expected.target
    assert "".join(segment["text"] for segment in answer["segments"]) == text
    assert sum(segment["influence"] for segment in answer["segments"]) == pytest.approx(
        sum(token.influence for token in expected.tokens), abs=1e-5
    )


def test_a_class_can_be_chosen(client):
    answers = [client.post("/explain", json={"text": "kind", "label": label}).json() for label in ("good", "bad")]
    assert [answer["label"] for answer in answers] == ["good", "bad"]
    assert answers[0]["probability"] + answers[1]["probability"] == pytest.approx(1, abs=1e-5)
    assert client.post("/explain", json={"text": "kind", "label": None}).status_code == 200
    assert client.post("/explain", json={"text": ""}).json()["segments"] == []


def test_refusals(client, client_with):
    unknown = client.post("/explain", json={"text": "kind", "label": "ugly"})
    assert (unknown.status_code, "ugly" in unknown.text) == (422, False)
    assert client.post("/explain", json={"texts": ["kind"]}).status_code == 422
    short = client_with(max_explained_tokens=3)
    assert short.post("/explain", json={"text": "kind kind kind"}).status_code == 200
    long = short.post("/explain", json={"text": "kind kind kind kind"})
    assert (long.status_code, "4 tokens" in long.text) == (422, True)


def test_few_explanations_wait(client_with, monkeypatch):
    client = client_with(max_queued_explanations=1)
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments, **options):
        begun.set()
        go_on.wait(10)
        return explain(*arguments, **options)

    monkeypatch.setattr("sulsul.serving.explaining.explain", slow)
    statuses = []
    first = threading.Thread(target=lambda: statuses.append(client.post("/explain", json={"text": "a"}).status_code))
    first.start()
    begun.wait(10)
    refused = client.post("/explain", json={"text": "b"})
    go_on.set()
    first.join()
    assert (statuses, refused.status_code, refused.headers["retry-after"]) == ([200], 429, "1")
    assert client.post("/explain", json={"text": "c"}).status_code == 200
