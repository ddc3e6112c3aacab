from pathlib import Path

import pytest
from tests.cli.test_commands import run


def test_export_prints_how_it_was_checked(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(finished_run / "run")]
    file = tmp_path / "model.onnx"
    assert run(monkeypatch, *arguments, "--onnx", str(file)) == 0
    assert "64 texts of random token ids" in capsys.readouterr().out
    data = str(finished_run / "corpus.csv")
    assert run(monkeypatch, *arguments, data, "--onnx", str(file), "--int8") == 0
    printed = capsys.readouterr().out
    assert "compared on 80 texts" in printed
    assert "accuracy" in printed
    assert file.exists()


def test_export_says_what_is_missing(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "export", str(finished_run / "run")) == 2
    assert "--onnx FILE" in capsys.readouterr().err
    assert run(monkeypatch, "export", str(finished_run / "run"), "--onnx", str(tmp_path / "m.onnx"), "--int8") == 2
    assert "labelled DATA" in capsys.readouterr().err
