import json
from pathlib import Path

import pytest
from tests.cli.test_commands import run


def test_explain_one_text_in_every_format(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "explain",
        str(finished_run / "run"),
        "문의가 정말 좋았다",
        "--method",
        "occlusion",
        "--target",
        "good",
    ]
    assert run(monkeypatch, *arguments) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("good: probability ")
    assert "문의가 정말 좋았다" in printed
    assert run(monkeypatch, *arguments, "--format", "json") == 0
    values = json.loads(capsys.readouterr().out)
    assert [token["token"] for token in values["tokens"]] == ["문의가", "정말", "좋았다"]
    page = tmp_path / "page.html"
    assert run(monkeypatch, *arguments, "--format", "html", "-o", str(page)) == 0
    assert "정말</mark>" in page.read_text(encoding="utf-8")
    text = tmp_path / "page.txt"
    assert run(monkeypatch, *arguments, "-o", str(text)) == 0
    assert "strongest:" in text.read_text(encoding="utf-8")


def test_explain_a_data_set(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", str(finished_run / "run"), "--data", str(finished_run / "corpus.csv")]
    assert run(monkeypatch, *arguments, "--most-texts", "40") == 0
    assert "40 texts" in capsys.readouterr().out
    assert run(monkeypatch, *arguments, "--format", "json", "--target", "bad") == 0
    assert list(json.loads(capsys.readouterr().out)["words"]) == ["bad"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either one TEXT or --data"),
        (["text", "--format", "pdf"], "choose terminal, html"),
        (["text", "--target", "fine"], "the classes are bad, good"),
        (["text", "--method", "lime"], "there is no method"),
    ],
)
def test_explain_refuses_with_advice(
    arguments: list[str],
    message: str,
    finished_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "explain", str(finished_run / "run"), *arguments) == 2
    assert message in capsys.readouterr().err
