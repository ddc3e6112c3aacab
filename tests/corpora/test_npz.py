"""Token-id archives: Keras's layouts are read, and no pickle runs anything."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sulsul.corpora import DataSettings, SplitSettings, check_token_ids, iter_texts, read_corpus, read_splits
from sulsul.errors import DataError

LISTS = [[1, 14, 22], [], [1, 4, 2, 300]]


def objects(rows: list[Any]) -> np.ndarray[Any, Any]:
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def save(path: Path, **arrays: Any) -> DataSettings:
    np.savez(path, **arrays)
    return DataSettings(source=str(path))


def archive(path: Path, content: bytes, shape: str = "(1,)", name: str = "x") -> DataSettings:
    """Write an archive whose array of objects has the given pickle, and labels beside it."""
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    labels = io.BytesIO()
    np.save(labels, np.array([0, 1]))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content)
        file.writestr("y.npy", labels.getvalue())
    return DataSettings(source=str(path))


def test_the_layout_of_keras(tmp_path: Path) -> None:
    settings = save(
        tmp_path / "t.npz",
        x_train=objects(LISTS),
        y_train=np.array([0, 1, 0]),
        x_test=objects([[5], [6, 7]]),
        y_test=np.array([1, 1]),
    )
    corpus = read_corpus(settings)
    assert corpus.sequences is not None
    assert corpus.sequences.token_ids.tolist() == [1, 14, 22, 1, 4, 2, 300, 5, 6, 7]
    assert corpus.sequences.offsets.tolist() == [0, 3, 3, 7, 8, 10]
    assert corpus.sequences.token_ids.dtype == np.int32
    assert corpus.sequences.offsets.dtype == np.int64
    assert corpus.texts.to_list() == ["1 14 22", "", "1 4 2 300", "5", "6 7"]
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["0", "1", "0", "1", "1"]
    assert corpus.audit.n_empty == 1
    _, splits = read_splits(settings, SplitSettings(validation=0.0))
    assert splits.train.tolist() == [0, 1, 2]
    assert splits.test.tolist() == [3, 4]


@pytest.mark.parametrize("names", [("arr_0", "arr_1"), ("x", "y")])
def test_two_arrays(tmp_path: Path, names: tuple[str, str]) -> None:
    corpus = read_corpus(save(tmp_path / "t.npz", **{names[0]: objects(LISTS), names[1]: np.array(["a", "b", "a"])}))
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["a", "b", "a"]
    assert corpus.split_values is None


def test_four_unnamed_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", objects(LISTS), np.array([0.0, 1.0, 0.0]), objects([[5]]), np.array([1.0]))
    corpus = read_corpus(DataSettings(source=str(tmp_path / "t.npz")))
    assert corpus.split_values is not None
    assert corpus.split_values.to_list() == ["train", "train", "train", "test"]
    assert corpus.labels is not None
    assert corpus.labels.to_list() == ["0", "1", "0", "1"]


@pytest.mark.parametrize(
    "rows",
    [
        np.array([[0, 1, 2], [3, 4, 5]]),
        np.array([[0, 1, 2], [3, 4, 5]], dtype=">u2"),
        np.array([[0, 1, 2], [3, 4, 5]], dtype=object),
        objects([np.array([0, 1, 2]), np.array([3, 4, 5], dtype=np.uint16)]),
        objects([[0, 1, 2], np.array([3, 4, 5], dtype=">i4")]),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_way_numpy_writes_rows_of_integers(
    tmp_path: Path, rows: np.ndarray[Any, Any], protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = pickle.dump

    def with_protocol(value: object, file: Any, **_: object) -> None:
        dump(value, file, protocol=protocol)

    monkeypatch.setattr(pickle, "dump", with_protocol)
    settings = save(tmp_path / "t.npz", x=rows, y=np.array([0, 1]))
    sequences = read_corpus(settings).sequences
    assert sequences is not None
    assert sequences.token_ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert sequences.offsets.tolist() == [0, 3, 6]


def test_a_word_index_turns_ids_into_words(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"the": 1, "한글": 2, "good": 11, "end": 297}))
    settings = save(tmp_path / "t.npz", x=objects([[0, 0, 1, 4, 5, 2], [300, 14], []]), y=np.array([0, 1, 0]))
    settings = settings.model_copy(update={"word_index": str(tmp_path / "index.json")})
    corpus = read_corpus(settings)
    assert corpus.texts.to_list() == ["the 한글 <oov>", "end good", ""]
    assert corpus.word_index == {"the": 1, "한글": 2, "good": 11, "end": 297}
    np.savez(tmp_path / "t.npz", x=objects([[4], [301]]), y=np.array([0, 1]))
    with pytest.raises(DataError, match=r"row 2: token id 301 is beyond the vocabulary \(ids 0 to 300\)"):
        read_corpus(settings)


@pytest.mark.parametrize("content", ["[1]", "{", '{"a": 0}', '{"a": "1"}', '{"a": true}', '{"a": 99999999999}'])
def test_a_malformed_word_index(tmp_path: Path, content: str) -> None:
    (tmp_path / "index.json").write_text(content)
    settings = save(tmp_path / "t.npz", x=objects(LISTS), y=np.array([0, 1, 0]))
    with pytest.raises(DataError, match=r"index\.json"):
        read_corpus(settings.model_copy(update={"word_index": str(tmp_path / "index.json")}))
    with pytest.raises(DataError, match=r"none\.json"):
        read_corpus(settings.model_copy(update={"word_index": str(tmp_path / "none.json")}))


def test_ids_beyond_a_vocabulary_name_their_row(tmp_path: Path) -> None:
    corpus = read_corpus(save(tmp_path / "t.npz", x=objects(LISTS), y=np.array([0, 1, 0])))
    check_token_ids(corpus, 301)
    with pytest.raises(DataError, match=r"t\.npz, row 3: token id 300 is beyond the vocabulary \(ids 0 to 299\)"):
        check_token_ids(corpus, 300)


def test_kept_classes_keep_their_sequences(tmp_path: Path) -> None:
    settings = save(tmp_path / "t.npz", x=objects([[5], [6, 7], [8]]), y=np.array([0, 1, 2]))
    corpus = read_corpus(settings.model_copy(update={"keep_classes": ("1", "2")}))
    assert corpus.sequences is not None
    assert corpus.sequences.token_ids.tolist() == [6, 7, 8]
    assert corpus.rows.tolist() == [2, 3]
    batches = list(iter_texts(settings, 2))
    assert [batch.sequences.token_ids.tolist() for batch in batches if batch.sequences] == [[5, 6, 7], [8]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": objects([[1], [2, -3]]), "y": np.array([0, 1])}, r"array 'x', row 2: -3 cannot be a token id"),
        ({"x": np.array([[1, 2], [2**31, 3]]), "y": np.array([0, 1])}, r"array 'x', row 2: 2147483648 cannot be"),
        ({"x": objects([[1], [2**70]]), "y": np.array([0, 1])}, r"array 'x', row 2: an id is too large"),
        ({"x": objects([[1], [2.0]]), "y": np.array([0, 1])}, r"array 'x', row 2: it holds float"),
        ({"x": objects([[1], [True]]), "y": np.array([0, 1])}, r"array 'x', row 2: it holds bool"),
        ({"x": objects([[1], "two"]), "y": np.array([0, 1])}, r"array 'x', row 2: str is not a list"),
        ({"x": objects([[1], None]), "y": np.array([0, 1])}, r"array 'x', row 2: NoneType is not a list"),
        ({"x": objects([[1], [[2]]]), "y": np.array([0, 1])}, r"array 'x', row 2: it holds list"),
        ({"x": np.array([[0.5]]), "y": np.array([0])}, r"array 'x': 2 dimension\(s\) of float64"),
        ({"x": np.array([1, 2]), "y": np.array([0, 1])}, r"array 'x': 1 dimension\(s\) of int64"),
        ({"x": objects(LISTS), "y": np.array([0, 1])}, r"'x' has 3 rows, 'y' has 2"),
        ({"x": objects(LISTS), "y": np.eye(3)}, r"array 'y': 2 dimension\(s\) of float64; labels must be"),
        ({"x": objects(LISTS), "y": objects(["a", "b", "c"])}, r"array 'y': labels must be"),
        ({"weights": np.eye(3)}, r"holds the arrays 'weights'; expected x_train"),
    ],
)
def test_unusable_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=r"t\.npz.*" + message):
        read_corpus(save(tmp_path / "t.npz", **arrays))


class Attack:
    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    import os

    for number, attack in enumerate(
        [
            Attack(os.system, f"touch {tmp_path}/ran"),
            Attack(eval, f"open({str(tmp_path / 'ran')!r}, 'w')"),
            Attack(np.zeros, 10**12),
            Attack(getattr, objects([[1]]), "dump"),
            Attack(bytearray, 10**12),
        ]
    ):
        settings = save(tmp_path / f"{number}.npz", x=objects([attack]), y=np.array([0]))
        with pytest.raises(DataError, match=r"its pickle asks for (posix|builtins|numpy)\.\w+; only lists, integers"):
            read_corpus(settings)
    assert not (tmp_path / "ran").exists()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
OBJECTS = b"cnumpy\ndtype\nX\x02\x00\x00\x00O8K\x00K\x01\x87R"
INTEGERS = b"cnumpy\ndtype\nX\x02\x00\x00\x00i8K\x00K\x01\x87R"


def state(shape: bytes, dtype: bytes, content: bytes) -> bytes:
    return RECONSTRUCT + b"(K\x01" + shape + b"\x85" + dtype + b"\x89" + content + b"tb."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cos\nsystem\nX\x09\x00\x00\x00touch ran\x85R.", "asks for os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.", "asks for os.system"),
        (b"cnumpy\nload\n.", "asks for numpy.load"),
        (b"cnumpy.core.multiarray\nscalar\n.", "asks for numpy.core.multiarray.scalar"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.", "asks for bytes of unknown form"),
        (b"cos\nsystem\n(S'ls'\ntR.", "opcode 'S' at byte 12"),
        (b"(S'ls'\nios\nsystem\n.", "opcode 'S' at byte 1"),
        (b"Pperson\n.", "opcode 'P' at byte 0"),
        (b"\x82\x01.", r"opcode '\\x82' at byte 0"),
        (b"}.", "opcode '}' at byte 0"),
        (b"", "opcode nothing at byte 0"),
        (b"\x80\x05]", "opcode nothing at byte 3"),
        (b"\xff\xff", r"opcode '\\xff' at byte 0"),
        (b"]r\xff\xff\xff\x0f.", "opcode 'r' at byte 1"),
        (b"X\xff\xff\xff\x7fa.", "an argument that runs past its end at byte 0"),
        (b"\x8b\xff\xff\xff\xff.", "an argument that runs past its end"),
        (b"c" + b"a" * 300 + b"\nb\n.", "an argument that runs past its end"),
        (b"a.", "a damaged pickle"),
        (b"h\x07.", "a damaged pickle"),
        (b"]K\x01a.", "does not hold an array of lists"),
        (b"N.", "does not hold an array of lists"),
        (RECONSTRUCT + b".", "does not hold an array of lists"),
        (state(b"\x8a\x06" + (10**12).to_bytes(6, "little"), OBJECTS, b"]"), r"holds \(10{12},\)"),
        (state(b"J\xff\xff\xff\xff", OBJECTS, b"]"), r"holds \(-1,\)"),
        (state(b"K\x01", INTEGERS, b"]K\x01a"), "the pickle holds"),
        (state(b"K\x01", b"K\x05", b"]"), "without a dtype"),
        (RECONSTRUCT + b"K\x01\x85b.", "state of unknown form"),
        (b"cnumpy\nndarray\nK\x01\x85b.", "a damaged pickle"),
        (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85C\x01b\x87R.", "no array"),
    ],
)
def test_hand_made_pickles(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_corpus(archive(tmp_path / "t.npz", content))


def test_one_list_entered_many_times_is_refused(tmp_path: Path) -> None:
    shared = list(range(1000))
    with pytest.raises(DataError, match=r"array 'x': 50000000 ids cannot come from \d+ bytes"):
        read_corpus(save(tmp_path / "t.npz", x=objects([shared] * 50_000), y=np.zeros(50_000, dtype=int)))


def test_headers_that_lie_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    good = io.BytesIO()
    np.save(good, np.arange(6).reshape(2, 3))
    header = good.getvalue()
    for content, message in [
        (header.replace(b"(2, 3)", b"(9, 9)"), "the header announces"),
        (header[:20], "no NumPy array"),
        (b"not an array", "no NumPy array"),
        (header.replace(b"<i8", b"<q9"), "no NumPy array"),
    ]:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("x.npy", content)
            file.writestr("y.npy", header)
        with pytest.raises(DataError, match=message):
            read_corpus(DataSettings(source=str(path)))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sulsul.corpora.array_archive._LARGEST_BYTES", 1000)
    np.savez_compressed(tmp_path / "t.npz", x=np.zeros((1000, 1000), dtype=int), y=np.zeros(1000))
    with pytest.raises(DataError, match=r"8008256 bytes unpacked; more than 1000 is refused"):
        read_corpus(DataSettings(source=str(tmp_path / "t.npz")))


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez_compressed(path, x=np.arange(6000).reshape(2, 3000), y=np.array([0, 1]))
    content = bytearray(path.read_bytes())
    content[200:240] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.npz"):
        read_corpus(DataSettings(source=str(path)))
    path.write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(DataError, match=r"no readable \.npz archive"):
        read_corpus(DataSettings(source=str(path)))


def test_two_archives_at_once(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / f"{name}.npz", x=objects(LISTS), y=np.array([0, 1, 0]))
    with pytest.raises(DataError, match="read them one at a time"):
        read_corpus(DataSettings(source=str(tmp_path / "*.npz")))
