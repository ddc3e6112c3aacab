import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.explanation.networks import NETWORKS, encode, random_predictor

from sulsul import RecurrentTextClassifier
from sulsul.errors import UsageError
from sulsul.explanation import METHODS, Method, explain, explain_corpus
from sulsul.explanation.deletion import read_text, without
from sulsul.explanation.explanation import Explanation, TokenInfluence
from sulsul.explanation.faithfulness import Attributed, deletion_test
from sulsul.explanation.rendering import as_html, for_terminal, trust, words_for_terminal
from sulsul.explanation.scores import log_odds_of_arrays
from sulsul.predictor import Predictor
from sulsul.text import TextSettings

FILLERS = ["영화", "plot", "배우", "story", "음악", "scene"]


@pytest.fixture(scope="module")
def trained() -> Predictor:
    """Return a classifier of texts in which one word decides among fillers."""
    generator = np.random.default_rng(0)
    texts, labels = [], []
    for _ in range(150):
        label = int(generator.integers(2))
        words = [*generator.choice(FILLERS, 5), ("나쁘다", "훌륭하다")[label]]
        texts.append(" ".join(generator.permutation(words)))
        labels.append(("bad", "good")[label])
    settings: dict[str, Any] = {"training.threads": 1, "text.ngrams": None, "model.input.kind": "embedding"}
    settings |= {"model.input.size": 8, "model.layers.1.rate": 0.0}
    classifier = RecurrentTextClassifier(
        cell="gru", units=6, tokenizer="word", epochs=8, learning_rate=0.03, settings=settings
    )
    return classifier.fit(texts, labels).predictor_


@pytest.mark.parametrize("method", METHODS)
def test_the_word_that_decides_has_the_largest_influence(trained: Predictor, method: Method) -> None:
    text = "영화 Plot 훌륭하다, story"
    explanation = explain(trained, text, method=method)
    assert explanation.target == "good"
    strongest = max(explanation.tokens, key=lambda token: token.influence)
    assert text[strongest.start : strongest.end] == strongest.token == "훌륭하다"
    against = explain(trained, text, "bad", method)
    assert min(against.tokens, key=lambda token: token.influence).token == "훌륭하다"
    assert against.log_odds == pytest.approx(-explanation.log_odds, abs=1e-4)
    faithfulness = explanation.faithfulness
    assert faithfulness is not None
    assert faithfulness.advantage > 0
    assert faithfulness.interval[0] > 0
    assert "more than chance" in trust(faithfulness)


def test_spans_are_those_of_the_text_as_given_whatever_its_normal_form(trained: Predictor) -> None:
    import unicodedata

    text = unicodedata.normalize("NFD", "영화가 훌륭하다!")
    explanation = explain(trained, text, method="gradient")
    shown = [unicodedata.normalize("NFC", text[token.start : token.end]) for token in explanation.tokens]
    assert shown == ["영화가", "훌륭하다", "!"]
    assert "".join(text[part.start : part.end] for part in explanation.segments()) == text


@pytest.mark.parametrize("name", NETWORKS)
def test_occlusion_is_the_difference_without_the_token(name: str) -> None:
    predictor = random_predictor(NETWORKS[name], n_classes=3, multi_label=True)
    explanation = explain(predictor, "so good plot", "b", "occlusion", faithfulness=False)
    logits = predictor.logits(encode(predictor, ["so good plot", "good plot", "so plot", "so good"]))
    scores = log_odds_of_arrays(logits, np.full(4, 1), "multi-label")
    assert [token.influence for token in explanation.tokens] == pytest.approx(list(scores[0] - scores[1:]), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_empty_and_unknown_texts_are_legal(trained: Predictor, method: Method) -> None:
    empty = explain(trained, "", method=method)
    assert (empty.tokens, empty.faithfulness, list(empty.segments())) == ((), None, [])
    unknown = explain(trained, "처음", method=method)
    assert [token.token for token in unknown.tokens] == ["[OOV]"]
    for explanation in (empty, unknown):
        assert as_html(explanation)
        Console(quiet=True).print(for_terminal(explanation))


def test_start_and_padding_are_the_remainder() -> None:
    text = {"reserved": ["pad", "start", "oov"], "max_length": 5, "pad_to": 5}
    predictor = random_predictor(NETWORKS["embedding"], text=text)
    explanation = explain(predictor, "so good", method="integrated-gradients")
    assert [token.token for token in explanation.tokens] == ["so", "good"]
    assert explanation.remainder != 0.0


def test_raw_ids_are_explained_by_occlusion() -> None:
    model = {"input": {"kind": "raw-ids"}, "layers": [{"kind": "lstm", "units": 2}]}
    predictor = random_predictor(model, text={"pad_to": 4, "max_length": 4})
    assert len(explain(predictor, "so good", method="occlusion").tokens) == 2


def test_wrong_names_are_refused_with_the_right_ones(trained: Predictor) -> None:
    with pytest.raises(UsageError, match="the classes are bad, good"):
        explain(trained, "영화", "fine")
    with pytest.raises(UsageError, match="occlusion"):
        explain(trained, "영화", method="lime")  # type: ignore[arg-type]


def test_deletion_keeps_the_length_only_where_texts_are_padded() -> None:
    settings = TextSettings(max_length=4, pad_to=4, pad_side="before")
    padded = without(np.array([5, 6, 7, 8], np.int32), [np.array([True, False, True, False])], settings)
    assert padded.token_ids.tolist() == [0, 0, 5, 7]


def test_random_influences_are_no_better_than_chance(trained: Predictor) -> None:
    generator = np.random.default_rng(1)
    texts = [" ".join(generator.permutation([*FILLERS, "훌륭하다"])) for _ in range(30)]
    read = [read_text(trained, text) for text in texts]
    attributed = [Attributed(text, generator.normal(size=len(text.spans)), 1) for text in read]
    found = deletion_test(trained, attributed)
    assert found is not None
    assert found.interval[0] < 0 < found.interval[1]
    assert found.n_texts == 30
    assert "no more than chance" in trust(found)


def test_words_of_a_data_set(trained: Predictor) -> None:
    texts = ["영화 훌륭하다!", "Plot 나쁘다", "음악 훌륭하다", "배우 '나쁘다'", "scene 훌륭하다", "story 나쁘다", ""]
    found = explain_corpus(trained, texts)
    assert found.words["good"][0].word == "훌륭하다"
    assert found.words["bad"][0].word == "나쁘다"
    assert found.words["good"][0].n_texts == 3
    assert found.faithfulness is not None
    assert found.faithfulness.n_texts == 6
    assert list(explain_corpus(trained, texts, ["good"], n_words=1).words) == ["good"]
    json.dumps(found.to_dict())
    Console(quiet=True).print(words_for_terminal(found))
    with pytest.raises(UsageError, match="no texts"):
        explain_corpus(trained, [])


def test_subword_pieces_are_added_up_to_words() -> None:
    predictor = random_predictor(NETWORKS["embedding"], text={"tokenizer": "char"})
    found = explain_corpus(predictor, ["so good"] * 3 + ["very bad"] * 3, n_words=10)
    assert {entry.word for words in found.words.values() for entry in words} <= {"so", "good", "very", "bad"}


def test_segments_cover_the_text_and_add_overlapping_tokens() -> None:
    tokens = (TokenInfluence("가", 1, 2, 0.5), TokenInfluence("었", 1, 2, 0.25), TokenInfluence("다", 2, 3, -1.0))
    explanation = Explanation("<갔다>", "a", 0.5, 0.0, "gradient", tokens, 0.0, None)
    assert [(part.start, part.end, part.influence) for part in explanation.segments()] == [
        (0, 1, 0.0),
        (1, 2, 0.75),
        (2, 3, -1.0),
        (3, 4, 0.0),
    ]
    page = as_html(explanation)
    assert "&lt;<mark" in page
    assert 'title="+0.750">갔</mark>' in page


def test_the_terminal_is_coloured(trained: Predictor, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+", encoding="utf-8") as file:
        console = Console(file=file, force_terminal=True, color_system="truecolor", width=200)
        console.print(for_terminal(explain(trained, "영화 훌륭하다")))
        file.seek(0)
        assert "48;2;0;114;178m훌륭하다" in file.read()
