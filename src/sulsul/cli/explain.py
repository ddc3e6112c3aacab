"""``sulsul explain``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sulsul.cli.options import EncodingOption, TextOption, comma_separated

if TYPE_CHECKING:
    from sulsul.predictor import Predictor

_FORMATS = ("terminal", "html", "json")


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` left.")],
    string: Annotated[str | None, typer.Argument(metavar="TEXT", help="The text itself.", show_default=False)] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="Texts: list the words that move each class most.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="CLASS", help="Default: the predicted class.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="gradient, integrated-gradients or occlusion; for one TEXT.")
    ] = "integrated-gradients",
    format: Annotated[str, typer.Option("--format", metavar="terminal|html|json")] = "terminal",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Instead of standard output.")
    ] = None,
    text: TextOption = None,
    encoding: EncodingOption = None,
    most_texts: Annotated[int, typer.Option("--most-texts", min=1, help="Of DATA, from its beginning.")] = 2000,
) -> None:
    """Show which parts of TEXT moved the answer, or which words of DATA do, and how far to trust that."""
    from sulsul.errors import UsageError
    from sulsul.predictor import Predictor

    if (string is None) == (data is None):
        raise UsageError("give either one TEXT or --data DATA.")
    if format not in _FORMATS or (format == "html" and data is not None):
        raise UsageError(f"--format {format}: choose terminal, html (one TEXT only) or json.")
    predictor = Predictor.load(run)
    if string is not None:
        _explain_text(predictor, string, target, method, format, output)
    elif data is not None:
        columns = comma_separated(text) or predictor.bundle.specification.data.text
        texts = _read_texts(data, columns, encoding, most_texts)
        _explain_data(predictor, texts, target, format, output)


def _explain_text(
    predictor: "Predictor", string: str, target: str | None, method: str, format: str, output: Path | None
) -> None:
    from sulsul.explanation import Method
    from sulsul.explanation import explain as explain_text
    from sulsul.explanation.rendering import as_html, for_terminal

    explanation = explain_text(predictor, string, target, cast(Method, method))
    if format == "terminal":
        _print(for_terminal(explanation), output)
    else:
        _write(as_html(explanation) if format == "html" else _json(explanation.to_dict()), output)


def _explain_data(
    predictor: "Predictor", texts: list[str], target: str | None, format: str, output: Path | None
) -> None:
    from sulsul.explanation import explain_corpus
    from sulsul.explanation.rendering import words_for_terminal

    explanation = explain_corpus(predictor, texts, None if target is None else [target])
    if format == "terminal":
        _print(words_for_terminal(explanation), output)
    else:
        _write(_json(explanation.to_dict()), output)


def _read_texts(data: str, columns: tuple[str, ...], encoding: str | None, most_texts: int) -> list[str]:
    from sulsul.corpora import DataSettings, read_corpus

    settings = DataSettings(source=data, text=columns, encoding=encoding or "auto", limit=most_texts)
    texts: list[str] = read_corpus(settings, labels="ignored").texts.to_list()
    return texts


def _print(renderable: object, output: Path | None) -> None:
    from rich.console import Console

    if output is None:
        Console(highlight=False, soft_wrap=True).print(renderable)
        return
    import io

    console = Console(file=io.StringIO(), width=120, highlight=False)
    console.print(renderable)
    _write(console.file.getvalue(), output)  # type: ignore[attr-defined]


def _json(values: object) -> str:
    import json

    return json.dumps(values, ensure_ascii=False, indent=1)


def _write(text: str, output: Path | None) -> None:
    from sulsul.files import write_text_atomically

    if output is None:
        typer.echo(text)
    else:
        write_text_atomically(output, text + "\n")
