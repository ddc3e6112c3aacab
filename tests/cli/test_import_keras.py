"""``import-keras`` and ``export --keras`` from the command line, with Keras in its own process."""

from pathlib import Path

import pytest
from tests.cli.test_commands import run
from tests.keras_models import import_keras
from tests.trained import tiny_run


def test_export_import_predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import_keras()
    file, folder = tmp_path / "model.keras", tmp_path / "imported"
    monkeypatch.setattr("sulsul.importing.comparison.keras_version", lambda: None)
    tiny_run(tmp_path, model={"pooling": "last"})
    assert run(monkeypatch, "export", str(tmp_path / "run"), "--keras", "-o", str(file)) == 0
    assert "in Keras 3" in capsys.readouterr().out
    arguments = ["import-keras", str(file), "-o", str(folder), "--classes", "bad,good"]
    assert run(monkeypatch, *arguments) == 0
    assert "texts are token ids" in capsys.readouterr().out
    assert run(monkeypatch, "predict", str(folder), "-s", "3 4") == 0
    assert "p(bad),p(good)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "RUN", "--keras"], "-o FILE.keras"),
        (["export", "RUN", "-o", "m.keras"], "named by --onnx"),
        (["export", "RUN", "--keras", "-o", "m.keras", "--int8"], "leave out"),
        (["import-keras", "m.keras", "--pad-side", "left"], "choose before or after"),
        (["import-keras", "m.keras", "--truncate", "left"], "choose front or back"),
    ],
)
def test_usage(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
