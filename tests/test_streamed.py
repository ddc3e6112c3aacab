import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.trained import tiny_specification, write_corpus

from sulsul import streamed
from sulsul.batching import EncodedCorpus
from sulsul.cache import MANIFEST, corpora_folder
from sulsul.errors import DataError, LabelError, OutputError, SpecificationError, UsageError
from sulsul.experiment import run_experiment
from sulsul.preparation import PreparedData, prepare
from sulsul.specification import RunSpecification
from sulsul.streamed import StreamedData, prepare_run, prepare_streamed


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sulsul.corpora.storing._BLOCK_ROWS", 7)
    monkeypatch.setattr("sulsul.streamed._BLOCK_TEXTS", 5)


def arrays_of(corpus: EncodedCorpus) -> list[Any]:
    types = () if corpus.types is None else (corpus.types.offsets, corpus.types.part_ids)
    return [corpus.token_ids, corpus.offsets, corpus.class_ids, corpus.sample_weights, *types]


def assert_same(streamed_data: StreamedData, expected: PreparedData) -> None:
    assert streamed_data.tokenizer.to_json() == expected.tokenizer.to_json()
    assert streamed_data.labels == expected.labels
    assert streamed_data.split_note == expected.split_note
    assert streamed_data.corpus.fingerprint == expected.corpus.fingerprint
    assert streamed_data.corpus.audit == expected.corpus.audit
    assert streamed_data.splits.keys() == expected.splits.keys()
    for name, split in streamed_data.splits.items():
        other = expected.splits[name]
        assert split.rows.tolist() == other.rows.tolist()
        assert split.full_lengths.tolist() == other.full_lengths.tolist()
        assert split.unknown_share == other.unknown_share
        for ours, theirs in zip(arrays_of(split.encoded), arrays_of(other.encoded), strict=True):
            assert (ours is None and theirs is None) or (ours.dtype == theirs.dtype and np.array_equal(ours, theirs))


SPECIFICATIONS: dict[str, dict[str, dict[str, object]]] = {
    "plain": {},
    "vocabulary with ties at its end": {"text": {"vocabulary_size": 40, "max_length": 5}},
    "subwords": {"text": {"tokenizer": "subword", "vocabulary_size": 60}},
    "characters, unknown ones dropped": {"text": {"tokenizer": "char", "vocabulary_size": 12, "reserved": ["pad"]}},
    "not stratified": {"split": {"stratify": False}},
    "numbers of rows": {"split": {"test_rows": 9, "validation_rows": 7, "train_rows": 30}},
    "limit": {"data": {"limit": 33}},
    "n-grams": {"text": {"ngrams": [1, 3]}, "model": {"input": {"kind": "summed-embedding", "size": 4}}},
}


@pytest.mark.parametrize("sections", SPECIFICATIONS.values(), ids=SPECIFICATIONS.keys())
def test_ids_rows_and_labels_are_those_of_memory(tmp_path: Path, sections: dict[str, dict[str, object]]) -> None:
    specification = tiny_specification(write_corpus(tmp_path / "corpus.csv"), **sections)
    data = prepare_streamed(specification, tmp_path / "cache")
    assert_same(data, prepare(specification))
    again = prepare_streamed(specification, tmp_path / "cache")
    assert_same(again, prepare(specification))


def odd_table() -> pl.DataFrame:
    """Labels that only look like numbers as a whole, missing texts, ids and labels, parts, a text of several lines."""
    n = 60
    return pl.DataFrame(
        {
            "id": [None if i % 7 == 3 else f"n{i}" for i in range(n)],
            "text": [
                None if i % 11 == 5 else f'word{i % 9} "says"\nword{i}, 가나다 {chr(0x1112)}{chr(0x1161)}'
                for i in range(n)
            ],
            "label": [f"{i % 3}.0" for i in range(n)],
            "part": [("train", "Training", "dev", "test")[i % 4] for i in range(n)],
            "tags": [" a" if i % 5 == 0 else "a|b" if i % 2 else "c|a|c" for i in range(n)],
        }
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"split": {"column": "part"}},
        {"data": {"keep_classes": ["0", "2"]}},
        {"data": {"label": "tags", "label_separator": "|"}},
        {"data": {"label": "tags", "label_separator": "|", "keep_classes": ["a", "b"]}},
    ],
    ids=["whole numbers", "parts", "kept classes", "label sets", "kept label sets"],
)
def test_odd_tables_in_every_format(tmp_path: Path, suffix: str, sections: dict[str, dict[str, object]]) -> None:
    source = tmp_path / f"odd.{suffix}"
    table = odd_table()
    {"csv": table.write_csv, "jsonl": table.write_ndjson, "parquet": table.write_parquet}[suffix](source)
    specification = tiny_specification(source, **sections)
    assert_same(prepare_streamed(specification, tmp_path / "cache"), prepare(specification))


def test_numbers_in_json_are_cleaned_as_a_whole(tmp_path: Path) -> None:
    source = tmp_path / "numbers.jsonl"
    lines = [f'{{"text": "word{i}", "label": {i % 2 if i < 30 else f"{i % 2}.0"}}}' for i in range(60)]
    source.write_text("\n".join(lines), encoding="utf-8")
    specification = tiny_specification(source, data={"id": None})
    data = prepare_streamed(specification, tmp_path / "cache")
    assert_same(data, prepare(specification))
    assert data.labels.classes == ("0", "1")


def test_separate_files_follow_the_main_one(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    for name in ("validation", "test"):
        write_corpus(tmp_path / f"{name}.csv", copies=2)
    split = {f"{name}_source": str(tmp_path / f"{name}.csv") for name in ("validation", "test")}
    for chosen in ({"test_source": split["test_source"]}, split):
        specification = tiny_specification(source, split=chosen)
        assert_same(prepare_streamed(specification, tmp_path / "cache"), prepare(specification))


def test_several_files_number_on(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_corpus(tmp_path / f"{name}.csv", copies=4)
    specification = tiny_specification(tmp_path / "*.csv")
    assert_same(prepare_streamed(specification, tmp_path / "cache"), prepare(specification))


def test_a_missing_and_an_unknown_label_are_named_with_their_row(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    source.write_text(source.read_text(encoding="utf-8") + "x,no label,\n", encoding="utf-8")
    with pytest.raises(LabelError, match=r"corpus\.csv, row 81, column 'label': no label \(1 such"):
        prepare_streamed(tiny_specification(source), tmp_path / "cache")
    main, other = write_corpus(tmp_path / "main.csv"), write_corpus(tmp_path / "test.csv", copies=1)
    other.write_text(other.read_text(encoding="utf-8").replace(",bad", ",ugly"), encoding="utf-8")
    specification = tiny_specification(main, split={"test_source": str(other)})
    with pytest.raises(LabelError) as streamed_error:
        prepare_streamed(specification, tmp_path / "cache")
    with pytest.raises(LabelError) as expected:
        prepare(specification)
    assert str(streamed_error.value) == str(expected.value)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize("kind", ["plain", "n-grams"])
def test_a_run_ends_with_the_same_weights_and_scores(tmp_path: Path, kind: str) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    outcomes = {}
    for streaming in (False, True):
        specification = tiny_specification(source, **SPECIFICATIONS[kind], data={"streaming": streaming})
        outcomes[streaming] = run_experiment(
            specification, tmp_path / f"run-{streaming}", command="c", cache=tmp_path / "cache"
        )
    assert isinstance(outcomes[True].data, StreamedData)
    weights = [(tmp_path / f"run-{streaming}" / "model.safetensors").read_bytes() for streaming in (False, True)]
    assert weights[0] == weights[1]
    in_memory, on_disk = outcomes[False].record, outcomes[True].record
    for name in ("evaluations", "mistakes", "data", "text", "paired"):
        assert getattr(on_disk, name) == getattr(in_memory, name), name
    assert [found.check for found in on_disk.findings] == [found.check for found in in_memory.findings]
    assert [(s.name, s.accuracy) for s in on_disk.baselines] == [(s.name, s.accuracy) for s in in_memory.baselines]


def test_what_is_sampled_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "SAMPLED_TEXTS", {"train": 20, "validation": 6, "test": 10})
    monkeypatch.setattr(streamed, "_JUDGED_TEXTS", 30)
    specification = tiny_specification(write_corpus(tmp_path / "corpus.csv"), data={"streaming": True})
    record = run_experiment(specification, tmp_path / "run", command="c", cache=tmp_path / "cache").record
    (finding,) = [finding for finding in record.findings if finding.check == "sampled"]
    assert "train judged on 30 of 45 texts" in finding.what
    assert "20 train, 6 validation, 10 test" in finding.what
    assert {scores.n for scores in record.baselines} == {10}
    assert (record.evaluations["train"].n, record.evaluations["test"].n) == (30, 20)


def test_size_and_setting_decide_and_the_reason_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_corpus(tmp_path / "corpus.csv")
    said: list[str] = []

    def prepared(**data: object) -> PreparedData | StreamedData:
        return prepare_run(tiny_specification(source, data=data), cache=tmp_path / "cache", report=said.append)

    assert isinstance(prepared(), PreparedData)
    assert not said
    assert isinstance(prepared(streaming=True), StreamedData)
    assert said[0] == f"data.streaming is true: texts and token ids are kept on disk, in {tmp_path / 'cache/corpora'}"
    monkeypatch.setattr(streamed, "STREAMED_BYTES", 1000)
    said.clear()
    assert isinstance(prepared(), StreamedData)
    assert said[0].startswith(f"{source} holds some 0.0 GB of text")
    assert isinstance(prepared(streaming=False), PreparedData)


def test_what_cannot_be_streamed_is_refused(tmp_path: Path) -> None:
    for label in ("good", "bad"):
        (tmp_path / "folder" / label).mkdir(parents=True)
        (tmp_path / "folder" / label / "1.txt").write_text("a text", encoding="utf-8")
    specification = tiny_specification(tmp_path / "folder", data={"streaming": True})
    with pytest.raises(UsageError, match=r"cannot be streamed: data\.streaming is for CSV"):
        prepare_run(specification, cache=tmp_path)


def test_pretraining_on_the_way_reads_into_memory(tmp_path: Path) -> None:
    sections = {"pretraining": {"unlabelled": ["more.txt"]}}
    with pytest.raises(SpecificationError, match="run `sulsul pretrain` first"):
        tiny_specification(tmp_path / "corpus.csv", data={"streaming": True}, **sections)


def entries(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in root.iterdir() if not path.name.startswith(".")}


def test_texts_are_read_again_for_other_content_only(tmp_path: Path) -> None:
    source, root = write_corpus(tmp_path / "corpus.csv"), tmp_path / "cache"
    prepare_streamed(tiny_specification(source), root)
    first = entries(root)
    assert sorted(name.split("-")[0] for name in first) == ["ids", "texts"]
    prepare_streamed(tiny_specification(source), root)
    assert entries(root) == first
    prepare_streamed(tiny_specification(source, text={"max_length": 3}), root)
    assert sorted(name.split("-")[0] for name in entries(root)) == ["ids", "ids", "texts"]
    write_corpus(source, copies=11)
    data = prepare_streamed(tiny_specification(source), root)
    assert len(data.corpus) == 88
    assert sorted(name.split("-")[0] for name in entries(root)) == ["ids", "ids", "ids", "texts", "texts"]


@pytest.mark.parametrize("damage", ["flipped", "short", "missing", "no manifest", "foreign"])
def test_a_broken_cache_is_built_anew(tmp_path: Path, damage: str) -> None:
    specification, root = tiny_specification(write_corpus(tmp_path / "corpus.csv")), tmp_path / "cache"
    prepare_streamed(specification, root)
    for entry in entries(root):
        victim = next(path for path in (root / entry).iterdir() if path.suffix in (".token_ids", ".bytes"))
        content = bytearray(victim.read_bytes())
        if damage == "flipped":
            content[len(content) // 2] ^= 1
            victim.write_bytes(content)
        elif damage == "short":
            victim.write_bytes(content[:-4])
        elif damage == "missing":
            victim.unlink()
        elif damage == "no manifest":
            (root / entry / MANIFEST).write_text("{", encoding="utf-8")
        else:
            manifest = root / entry / MANIFEST
            manifest.write_text(manifest.read_text(encoding="utf-8").replace(entry, "ids-0"), encoding="utf-8")
    said: list[str] = []
    data = prepare_streamed(specification, root, said.append)
    assert sum("is built anew" in line for line in said) == 2
    assert_same(data, prepare(specification))


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    specification, root = tiny_specification(write_corpus(tmp_path / "corpus.csv")), tmp_path / "cache"
    prepare_streamed(specification, root)
    for entry in entries(root):
        shutil.rmtree(root / entry)
        (root / f".{entry}.x1y2z3.tmp").mkdir()
        (root / f".{entry}.x1y2z3.tmp" / "half").write_bytes(b"half")
    prepare_streamed(specification, root)
    assert len(entries(root)) == 2
    assert not list(root.glob("*.tmp"))


def _prepare_in_process(specification: RunSpecification, root: Path, answers: "multiprocessing.Queue[object]") -> None:
    said: list[str] = []
    data = prepare_streamed(specification, root, said.append)
    n_built = sum(line.startswith(("texts and labels read", "token ids of")) for line in said)
    answers.put((n_built, data.train.encoded.token_ids.tolist()))


def test_two_processes_share_one_build(tmp_path: Path) -> None:
    specification = tiny_specification(write_corpus(tmp_path / "corpus.csv", copies=200))
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[object] = context.Queue()
    processes = [
        context.Process(target=_prepare_in_process, args=(specification, tmp_path / "cache", answers)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    got = [answers.get(timeout=240) for _ in processes]
    for process in processes:
        process.join()
    assert sum(n_built for n_built, _ in got) == 2  # type: ignore[misc]
    assert all(ids == prepare(specification).train.encoded.token_ids.tolist() for _, ids in got)  # type: ignore[misc]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    root.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cache"):
        prepare_streamed(tiny_specification(write_corpus(tmp_path / "corpus.csv")), root)


def test_a_file_where_the_cache_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cache"):
        prepare_streamed(tiny_specification(write_corpus(tmp_path / "corpus.csv")), corpora_folder(tmp_path / "cache"))


def test_an_empty_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.csv").write_text("id,text,label\n", encoding="utf-8")
    with pytest.raises(DataError, match="no rows"):
        prepare_streamed(tiny_specification(tmp_path / "corpus.csv"), tmp_path / "cache")
