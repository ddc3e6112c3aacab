"""What unlabelled texts are worth: accuracy on held-out texts with few and many labels, with and without.

A share of the labelled texts is taken away to judge; nothing is pretrained, fitted or chosen on it. Of the others so
many are kept with their labels as ``--labels`` says, a tenth of them for temperature and the weight of the linear model
(``split.validation``); all of them, without labels, and the unlabelled files are what an encoder is pretrained on
(start ``pretrained``) or virtual adversarial training reads (``virtual``); ``adversarial`` is of the labelled texts
alone, and ``scratch`` neither. ``FOLDER/training-part.parquet`` is for trials before the texts that judge are looked
at: name it as ``--data`` of another folder. Whatever was finished before is not done again, and an interrupted part
goes on, so the command may be stopped and repeated. Usage:

    python benchmarks/pretraining.py FOLDER --data imdb-train.parquet --unlabelled imdb-unlabelled.parquet \
        --labels 1000,5000,20000 --minutes 75 --set model.units=256 --set model.input.size=128
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sulsul.corpora import Corpus, DataSettings, SplitSettings, read_corpus, split_corpus
from sulsul.encoder import ENCODER_FILE, Encoder
from sulsul.experiment import Listener, run_experiment
from sulsul.files import write_text_atomically
from sulsul.pretraining import PretrainingTexts, collect_texts, pretrain, texts_of_files
from sulsul.pretraining.progress import PretrainingProgress
from sulsul.recipes import load_recipe
from sulsul.specification import RunSpecification
from sulsul.training.interruption import StopOnSignal

SCRATCH, PRETRAINED, ADVERSARIAL, VIRTUAL = "scratch", "pretrained", "adversarial", "virtual"


def main() -> None:
    """Pretrain, train with each number of labels, and print the table."""
    options = _options()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    data = DataSettings(
        source=options.data, text=tuple(options.text), label=options.label, keep_classes=tuple(options.keep_classes)
    )
    corpus = read_corpus(data)
    split = SplitSettings(test=0.0, validation=options.judged, seed=options.split_seed)
    splits = split_corpus(corpus, split)
    write_table(corpus, splits.validation, folder / "judged.parquet")
    base = load_recipe("default").with_overrides(options.settings)
    write_table(corpus, splits.train, folder / "training-part.parquet")
    texts = collect_all(corpus, splits.train, splits.validation, options)
    write_some(texts.texts, options.most_unlabelled, options.split_seed, folder / "unlabelled.parquet")
    with StopOnSignal() as stop:
        if PRETRAINED in options.starts and not (folder / "encoder" / ENCODER_FILE).exists():
            make_encoder(base, texts, options, stop)
        for n_labels in options.labels:
            table = folder / f"train-{n_labels}.parquet"
            write_table(corpus, some_rows(corpus, splits.train, n_labels, options.split_seed), table)
            for seed in options.seeds:
                for start in options.starts:
                    specification = base.with_overrides([f"training.seed={seed}", *settings_of(start, options)])
                    train_once(specification, folder, table, n_labels, start, stop, tag=options.tag)
    print_table(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--unlabelled", action="append", default=[])
    parser.add_argument("--text", type=_words, default=[])
    parser.add_argument("--label")
    parser.add_argument("--keep-classes", type=_words, default=[])
    parser.add_argument("--labels", type=lambda text: [int(n) for n in text.split(",")], required=True)
    parser.add_argument("--judged", type=float, default=0.2, help="share of the labelled texts to judge on")
    parser.add_argument("--split-seed", type=int, default=42)
    parser.add_argument("--seeds", type=lambda text: [int(n) for n in text.split(",")], default=[0])
    parser.add_argument("--starts", type=_words, default=[SCRATCH, PRETRAINED])
    parser.add_argument("--size", type=float, default=0.05, help="of the perturbations, as a share of the norm")
    parser.add_argument("--most-unlabelled", type=int, default=20_000, help="texts for virtual adversarial training")
    parser.add_argument("--minutes", type=float, help="time limit of pretraining")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--set-pretrained", dest="settings_pretrained", action="append", default=[])
    parser.add_argument("--tag", default="", help="name of a variant of all starts but scratch")
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def settings_of(start: str, options: argparse.Namespace) -> list[str]:
    """Return what sets a start apart from the one from scratch."""
    match start:
        case "pretrained":
            return list(options.settings_pretrained)
        case "adversarial":
            return [f"training.adversarial={options.size}"]
        case "virtual":
            return [f"training.virtual_adversarial={options.size}"]
    return []


def write_table(corpus: Corpus, rows: npt.NDArray[np.int64], path: Path) -> None:
    """Write texts and labels, unless they are there."""
    if path.exists():
        return
    part = corpus.select(rows)
    assert part.labels is not None
    pl.DataFrame({"text": part.texts, "label": part.labels}).write_parquet(path)


def some_rows(corpus: Corpus, rows: npt.NDArray[np.int64], n: int, seed: int) -> npt.NDArray[np.int64]:
    """Return so many of the rows, stratified."""
    if n >= len(rows):
        return rows
    part = split_corpus(corpus.select(rows), SplitSettings(test=0.0, validation_rows=n, seed=seed))
    return rows[part.validation]


def collect_all(
    corpus: Corpus, train: npt.NDArray[np.int64], judged: npt.NDArray[np.int64], options: argparse.Namespace
) -> PretrainingTexts:
    """Return every text but those that judge."""
    files = texts_of_files(options.unlabelled, DataSettings(text=tuple(options.text)))
    kept_back = corpus.select(judged).texts
    return collect_texts([("the training part", corpus.select(train).texts), *files], kept_back=kept_back)


def write_some(texts: pl.Series, n: int, seed: int, path: Path) -> None:
    """Write so many of the texts, drawn at random, unless they are there."""
    if not path.exists():
        pl.DataFrame({"text": texts.sample(min(n, len(texts)), seed=seed)}).write_parquet(path)


def make_encoder(
    specification: RunSpecification, texts: PretrainingTexts, options: argparse.Namespace, stop: StopOnSignal
) -> None:
    """Pretrain on everything but the texts that judge."""
    if options.minutes is not None:
        specification = specification.with_overrides([f"pretraining.minutes={options.minutes}"])
    own = options.folder / "encoder"
    with PretrainingProgress() as progress:
        pretrain(
            specification,
            texts,
            own,
            resume=own.exists(),
            listener=progress.listener(stop),
        )


def train_once(
    specification: RunSpecification,
    folder: Path,
    table: Path,
    n_labels: int,
    start: str,
    stop: StopOnSignal,
    *,
    tag: str,
) -> None:
    """Train and judge one network, unless that was done before, and keep its figures."""
    variant = start + (f"-{tag}" if tag and start != SCRATCH else "")
    name = f"{n_labels}-{specification.training.seed}-{variant}"
    result = folder / f"{name}.json"
    if result.exists():
        return
    values = specification.model_dump(mode="json")
    values["data"] |= {"source": str(table), "text": ["text"], "label": "label"}
    values["split"] |= {"test_source": str(folder / "judged.parquet")}
    if start == PRETRAINED:
        values["pretraining"] |= {"encoder": str(folder / "encoder")}
    if start == VIRTUAL:
        values["pretraining"] |= {"unlabelled": [str(folder / "unlabelled.parquet")], "transfer": "none"}
    run = folder / "runs" / name
    began = time.perf_counter()
    outcome = run_experiment(
        RunSpecification.parse(values, where="benchmark"),
        run,
        command="benchmarks/pretraining.py",
        baselines=False,
        resume=run.exists(),
        listener=Listener(
            on_epoch=lambda record: print(f"  {name}: epoch {record.epoch}, loss {record.loss:.4f}", flush=True),
            stop_requested=stop,
        ),
    )
    if outcome.interrupted:
        raise SystemExit(130)
    record = outcome.record
    assert record.training is not None
    figures: dict[str, Any] = {
        "labels": n_labels,
        "start": variant,
        "seed": specification.training.seed,
        "accuracy": record.evaluations["test"].accuracy,
        "macro_f1": record.evaluations["test"].macro_f1,
        "parts": {part.kind: part.accuracy for part in record.answer.parts} if record.answer else {},
        "n_judged": record.evaluations["test"].n,
        "kept_epoch": record.training.kept_epoch,
        "seconds": record.training.seconds,
        "wall_s": time.perf_counter() - began,
    }
    write_text_atomically(result, json.dumps(figures))


def print_table(folder: Path) -> None:
    """Print the mean over the seeds of everything that was measured."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9]*.json"))]
    if (folder / "encoder" / ENCODER_FILE).exists():
        made = Encoder.load(folder / "encoder").provenance
        print(f"encoder: {made['texts']:,} texts")
        if "perplexity" in made:
            print(f"language model: {made['tokens_read']:,} tokens read in {made['seconds']:,} s, "
                  f"perplexity {made['perplexity']:.1f}")  # fmt: skip
        if "ngrams" in made:
            print(f"n-gram vectors: {made['ngrams']:,} in {made['ngram_seconds']:,} s")
    print("| labels | start | accuracy | macro-F1 | the networks, the linear model alone | seeds | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for key in sorted({(row["labels"], row["start"]) for row in found}, key=lambda key: (key[0], key[1] != SCRATCH)):
        rows = [row for row in found if (row["labels"], row["start"]) == key]
        print(f"| {key[0]:,} | {key[1]} | {_mean(rows, 'accuracy')} | {_mean(rows, 'macro_f1')} | "
              f"{_parts(rows)} | {len(rows)} | "
              f"{np.mean([row['seconds'] for row in rows]):.0f} |")  # fmt: skip


def _parts(rows: Sequence[dict[str, Any]]) -> str:
    """Return the mean accuracy of each part of an answer that has several."""
    found = [row.get("parts", {}) for row in rows]
    kinds = [kind for kind in ("recurrent", "linear") if all(kind in parts for parts in found)]
    return ", ".join(f"{np.mean([parts[kind] for parts in found]):.4f}" for kind in kinds)


def _mean(rows: Sequence[dict[str, Any]], key: str) -> str:
    values = [row[key] for row in rows]
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


if __name__ == "__main__":
    main()
