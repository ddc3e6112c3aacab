"""``sulsul export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sulsul.cli.options import DataArgument, EncodingOption, LabelOption, TextOption, override_data

if TYPE_CHECKING:
    import polars as pl

    from sulsul.batching import EncodedCorpus
    from sulsul.export import ExportReport, KerasExportReport
    from sulsul.predictor import Predictor


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` left.")],
    data: DataArgument = None,
    onnx: Annotated[Path | None, typer.Option("--onnx", metavar="FILE", help="The ONNX file to write.")] = None,
    keras: Annotated[bool, typer.Option("--keras", help="Write a .keras file instead; name it with -o.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="The .keras file.")] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Store weights as int8; DATA shows what that costs in accuracy.")
    ] = False,
    recurrent_only: Annotated[
        bool, typer.Option("--recurrent-only", help="Leave out a linear part; DATA shows what that costs.")
    ] = False,
    text: TextOption = None,
    label: LabelOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Write a trained classifier as ONNX or Keras, after comparing its logits with ours on DATA or random token ids.

    An ONNX file takes token ids and lengths and gives logits and probabilities; where words are sums of n-grams, it
    takes each word's parts too. A Keras file takes padded token ids and gives probabilities. tokenizer.json of RUN
    makes the ids.
    """
    from sulsul.errors import UsageError
    from sulsul.export import export_keras, export_onnx
    from sulsul.predictor import Predictor

    if keras and (onnx is not None or int8 or recurrent_only):
        raise UsageError("--keras writes one .keras file in float32: leave out --onnx, --int8 and --recurrent-only.")
    if not keras and output is not None:
        raise UsageError("-o names the file of --keras; an ONNX file is named by --onnx FILE.")
    if keras and output is None:
        raise UsageError("name the file to write: --keras -o FILE.keras.")
    if not keras and onnx is None:
        raise UsageError("name the file to write: --onnx FILE, or --keras -o FILE.keras.")
    if int8 and data is None:
        raise UsageError("--int8 changes answers: name labelled DATA on which the change can be measured.")
    predictor = Predictor.load(run)
    texts, strings = (None, None) if data is None else _texts(predictor, data, text, label, encoding)
    if output is not None:
        typer.echo(_rendered_keras(export_keras(predictor, output, texts=texts)))
    elif onnx is not None:
        report = export_onnx(predictor, onnx, texts=texts, strings=strings, int8=int8, recurrent_only=recurrent_only)
        typer.echo(_rendered(report))


def _texts(
    predictor: "Predictor", data: str, text: str | None, label: str | None, encoding: str | None
) -> tuple["EncodedCorpus", "pl.Series"]:
    import numpy as np

    from sulsul.corpora import read_corpus
    from sulsul.preparation import encode_rows

    bundle = predictor.bundle
    specification = override_data(
        bundle.specification, source=data, text=text, label=label, encoding=encoding or "auto"
    )
    corpus = read_corpus(specification.data.model_copy(update={"format": "auto", "limit": None}))
    return encode_rows(corpus, np.arange(len(corpus)), bundle.tokenizer, bundle.labels).encoded, corpus.texts


def _rendered_keras(report: "KerasExportReport") -> str:
    lines = [f"{report.path}: {report.size_bytes / 1e6:.2f} MB, Keras 3; takes {report.fed}"]
    if report.max_abs_error is None:
        lines.append("not compared: Keras 3 is not installed (pip install 'sulsul[keras]')")
    else:
        compared = "texts" if report.real_texts else "texts of random token ids"
        lines.append(
            f"compared on {report.n_texts:,} {compared} in Keras {report.keras_version}: largest logit error "
            f"{report.max_abs_error:.1e}"
        )
    return "\n".join(lines)


def _rendered(report: "ExportReport") -> str:
    compared = "texts" if report.real_texts else "texts of random token ids"
    lines = [
        f"{report.path}: {report.size_bytes / 1e6:.2f} MB, ONNX opset {report.opset}",
        f"compared on {report.n_texts:,} {compared} in ONNX Runtime: largest logit error {report.max_abs_error:.1e}, "
        f"{report.n_same_answers:,} of {report.n_texts:,} answers the same",
    ]
    if report.accuracy is not None and report.exported_accuracy is not None:
        change = 100 * (report.exported_accuracy - report.accuracy)
        lines.append(f"accuracy {report.exported_accuracy:.4f}, before {report.accuracy:.4f} ({change:+.2f} points)")
    if report.whole_accuracy is not None and report.exported_accuracy is not None:
        change = 100 * (report.exported_accuracy - report.whole_accuracy)
        lines.append(
            f"without its linear part: accuracy {report.exported_accuracy:.4f}, with it {report.whole_accuracy:.4f} "
            f"({change:+.2f} points); the probabilities are not calibrated"
        )
    return "\n".join(lines)
