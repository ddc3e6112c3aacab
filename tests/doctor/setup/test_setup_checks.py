"""Every check of a set-up: a planted mistake that it must find, and a clean neighbour on which it stays silent."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.doctor.conftest import clean_rows

from sulsul.batching import EncodedCorpus
from sulsul.doctor import check_before
from sulsul.doctor.examination import examine_setup
from sulsul.doctor.setup import (
    cleaning,
    copied_split,
    length_leak,
    padding,
    settings,
    single_timestep,
    truncation,
    unknown_tokens,
    untrained,
)

WORDS = ("text.tokenizer=word", "text.filter_punctuation=false")
PADDED = (*WORDS, "text.max_length=100", "text.pad_to=100")


def only(findings):
    (finding,) = list(findings)
    return finding


@pytest.fixture
def clean(setup_of):
    return setup_of(clean_rows(1000))


def test_the_default_recipe_on_clean_data_has_no_errors_or_warnings(clean):
    diagnosis = check_before(clean.data, clean.specification, clean.classifier, thorough=True)
    assert [finding for finding in diagnosis.findings if finding.severity != "note"] == []


def test_checking_draws_no_random_numbers_and_changes_no_weight(clean):
    state = torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in clean.classifier.state_dict().items()}
    clean.classifier.train()
    check_before(clean.data, clean.specification, clean.classifier, thorough=True)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in clean.classifier.state_dict().items())
    assert clean.classifier.training


@pytest.mark.parametrize(
    ("side", "pooling", "severity"),
    [("after", "last", "error"), ("before", "last", "warning"), ("after", "max", "warning")],
)
def test_unmasked_padding(setup_of, side, pooling, severity):
    evidence = setup_of(clean_rows(), *PADDED, f"text.pad_side={side}", f"model.pooling={pooling}")
    finding = only(padding.find_unmasked_padding(evidence))
    assert finding.severity == severity
    assert finding.evidence["largest_logit_change_by_the_pads"] > 0
    if severity == "error":
        assert finding.evidence["spread_between_texts_with_pads"] < finding.evidence["spread_between_texts_without"]


def test_padding_by_settings_alone(settings_of):
    evidence = settings_of(*PADDED, "model.pooling=last")
    assert only(padding.find_unmasked_padding(evidence)).severity == "error"
    assert [finding.check for finding in examine_setup(evidence).findings] == ["unmasked-padding"]


def test_padding_share(setup_of):
    finding = only(padding.find_padding_share(setup_of(clean_rows(), *PADDED)))
    lengths = setup_of(clean_rows(), *WORDS).data.train.full_lengths
    assert finding.evidence["share"] == pytest.approx(1 - lengths.mean() / 100, abs=1e-4)
    near = setup_of(clean_rows(), *WORDS, "text.max_length=30", "text.pad_to=30")
    assert list(padding.find_padding_share(near)) == []


def test_batch_norm_and_pooling_over_padding(settings_of):
    norm = "model.layers=[{kind='lstm', units=8}, {kind='batch-norm'}]"
    assert only(padding.find_batch_norm_over_padding(settings_of(*PADDED, norm))).evidence["layers"] == [1]
    assert list(padding.find_batch_norm_over_padding(settings_of(*WORDS, norm))) == []
    assert only(padding.find_counted_padding(settings_of(*PADDED, "model.pooling=mean"))).check == "padding-row"
    assert list(padding.find_counted_padding(settings_of(*PADDED, "model.pooling=last"))) == []


def test_nothing_is_said_of_padding_without_pads(clean):
    for check in (
        padding.find_unmasked_padding,
        padding.find_padding_share,
        padding.find_batch_norm_over_padding,
        padding.find_counted_padding,
    ):
        assert list(check(clean)) == []


def test_ids_as_the_features_of_one_timestep(setup_of, clean):
    evidence = setup_of(clean_rows(), *PADDED, "model.input={kind='raw-ids'}")
    finding = only(single_timestep.find_single_timestep(evidence))
    assert "one timestep" in finding.what
    assert finding.evidence["features"] == 100
    assert only(single_timestep.find_ids_as_numbers(evidence)).evidence["largest_value"] > 1
    assert list(single_timestep.find_single_timestep(clean)) == []
    assert list(single_timestep.find_ids_as_numbers(clean)) == []


def test_texts_of_one_token(setup_of):
    rows = [(f"{'good' if label == 'pos' else 'bad'}{i % 7}", label) for i, (_, label) in enumerate(clean_rows())]
    assert only(single_timestep.find_single_timestep(setup_of(rows, *WORDS))).evidence["share"] == 1.0


def test_unknown_tokens(setup_of, clean):
    finding = only(unknown_tokens.find_unknown_tokens(setup_of(clean_rows(), *WORDS, "text.vocabulary_size=12")))
    assert finding.evidence["share"] > 0.3
    assert set(finding.evidence["share_by_class"]) == {"neg", "pos"}
    assert "larger vocabulary" in finding.remedy
    assert list(unknown_tokens.find_unknown_tokens(clean)) == []


def test_unknown_tokens_that_are_dropped_count_too(setup_of):
    evidence = setup_of(clean_rows(), *WORDS, "text.vocabulary_size=12", 'text.reserved=["pad"]')
    assert only(unknown_tokens.find_unknown_tokens(evidence)).evidence["share"] > 0.3


def korean_rows(n=240):
    rng = np.random.default_rng(0)
    stems = ["".join(chr(0xAC00 + int(c)) for c in rng.integers(0, 11172, 2)) for _ in range(400)]
    endings = ("가", "를", "에서", "보다", "까지도", "만큼은", "이었다", "처럼", "에게", "마저")
    return [
        (" ".join(str(rng.choice(stems)) + str(rng.choice(endings)) for _ in range(8)), ("neg", "pos")[i % 2])
        for i in range(n)
    ]


def test_korean_cut_at_spaces(setup_of):
    assert only(unknown_tokens.find_korean_words(setup_of(korean_rows(), *WORDS))).evidence["hangul_share"] == 1.0
    assert list(unknown_tokens.find_korean_words(setup_of(korean_rows(), "text.tokenizer=char"))) == []
    assert list(unknown_tokens.find_korean_words(setup_of(clean_rows(), *WORDS))) == []


def told_at_the_end(n=300):
    """Return long texts of which only the last words tell the class."""
    rng = np.random.default_rng(3)
    filler = [f"w{i}" for i in range(50)]
    return [
        (" ".join([*rng.choice(filler, 60), "splendid" if label == "pos" else "dreadful"]), label)
        for label in ("neg", "pos")
        for _ in range(n // 2)
    ]


def test_truncation_and_the_wrong_side(setup_of, clean):
    back = setup_of(told_at_the_end(), *WORDS, "text.max_length=20", "text.truncate=back")
    assert only(truncation.find_truncation(back)).severity == "warning"
    finding = only(truncation.find_wrong_side_cut(back))
    assert finding.evidence["accuracy_of_the_end"] > 0.95
    assert "text.truncate=front" in finding.remedy
    front = setup_of(told_at_the_end(), *WORDS, "text.max_length=20", "text.truncate=front")
    assert list(truncation.find_wrong_side_cut(front)) == []
    assert list(truncation.find_truncation(clean)) == []
    assert list(truncation.find_wrong_side_cut(clean)) == []


def test_some_truncation_is_only_noted(setup_of):
    rows = told_at_the_end()
    lengthened = [(f"{text} {text}" if i % 5 == 0 else text, label) for i, (text, label) in enumerate(rows)]
    evidence = setup_of(lengthened, *WORDS, "text.max_length=70")
    assert only(truncation.find_truncation(evidence)).severity == "note"


def test_punctuation_that_tells_the_classes_apart(setup_of, clean):
    rows = [(text + (" ?" if label == "neg" else " !"), label) for text, label in clean_rows()]
    filtered = ("text.tokenizer=word", "text.filter_punctuation=true")
    assert only(cleaning.find_lost_signal(setup_of(rows, *filtered))).evidence["accuracy_with_punctuation"] > 0.99
    assert list(cleaning.find_lost_signal(setup_of(rows, *WORDS))) == []
    assert list(cleaning.find_lost_signal(setup_of(clean_rows(), *filtered))) == []
    assert list(cleaning.find_lost_signal(clean)) == []


def test_texts_of_nothing_but_punctuation(setup_of):
    rows = clean_rows() + [("!" * (i + 1), "pos") for i in range(20)]
    filtered = ("text.tokenizer=word", "text.filter_punctuation=true")
    assert only(cleaning.find_emptied_texts(setup_of(rows, *filtered))).evidence["texts"] > 10
    assert list(cleaning.find_emptied_texts(setup_of(rows, *WORDS))) == []


def test_length_alone_tells_the_class(setup_of, clean):
    rows = [(f"{text} {text}" if label == "neg" else text, label) for text, label in clean_rows()]
    assert only(length_leak.find_length_leak(setup_of(rows, *WORDS))).evidence["auc_by_class"]["neg"] > 0.99
    assert list(length_leak.find_length_leak(clean)) == []


def test_validation_encoded_from_the_training_texts(clean):
    assert list(copied_split.find_copied_split(clean)) == []
    train, rows = clean.data.train.encoded, clean.data.splits["validation"].rows
    wrong = replace(clean.data.splits["validation"], encoded=train.select(np.arange(len(rows))))
    data = replace(clean.data, splits={**clean.data.splits, "validation": wrong})
    assert only(copied_split.find_copied_split(replace(clean, prepared=data))).severity == "error"


@pytest.mark.parametrize(("optimizer", "rate", "found"), [
    ("adam", 0.1, True), ("adam", 1e-6, True), ("adam", 1e-3, False), ("sgd", 0.1, False), ("sgd", 1e-5, True),
])  # fmt: skip
def test_learning_rates(settings_of, optimizer, rate, found):
    evidence = settings_of(f"training.optimizer={optimizer}", f"training.learning_rate={rate}")
    assert bool(list(settings.find_unlikely_learning_rate(evidence))) == found


def test_last_epoch_kept(settings_of):
    waiting = settings_of("training.keep=last", "training.patience=3")
    assert only(settings.find_last_epoch_kept(waiting)).severity == "warning"
    fixed = ("training.keep=last", "training.patience=never")
    assert only(settings.find_last_epoch_kept(settings_of(*fixed, "training.schedule=constant"))).severity == "note"
    assert list(settings.find_last_epoch_kept(settings_of(*fixed, "training.schedule=cosine"))) == []
    assert list(settings.find_last_epoch_kept(settings_of("training.keep=best"))) == []


def test_relu_recurrence(settings_of):
    relu = ("model.activation=relu", "training.clip_norm=none")
    assert only(settings.find_relu_recurrence(settings_of(*relu))).evidence["kinds"] == ["lstm"]
    assert list(settings.find_relu_recurrence(settings_of("model.activation=relu"))) == []
    assert list(settings.find_relu_recurrence(settings_of("training.clip_norm=none"))) == []


def test_frozen_random_embedding(settings_of):
    assert only(settings.find_frozen_random_embedding(settings_of("model.input.trainable=false")))
    assert list(settings.find_frozen_random_embedding(settings_of())) == []
    given = settings_of("model.input.trainable=false", "model.input.vectors=words.vec")
    assert list(settings.find_frozen_random_embedding(given)) == []


def test_initial_loss(setup_of, clean):
    assert list(untrained.find_odd_initial_loss(clean)) == []
    evidence = setup_of(clean_rows(), "model.pooling=last")
    with torch.no_grad():
        evidence.classifier.output.bias += 5.0
    assert only(untrained.find_odd_initial_loss(evidence)).evidence["loss"] > 2
    assert list(untrained.find_odd_initial_loss(replace(evidence, trained=True))) == []


class _AlwaysDropping(torch.nn.Module):
    """Dropout that ignores evaluation mode, a mistake often made with functional dropout."""

    def forward(self, values):
        return torch.nn.functional.dropout(values, 0.5, training=True)


class _BatchMean(torch.nn.Module):
    """Normalisation by the statistics of the batch, as in training mode."""

    def forward(self, values):
        return values - values.mean(dim=0)


@pytest.mark.parametrize("module", [_AlwaysDropping, _BatchMean])
def test_predictions_that_vary(setup_of, clean, module):
    assert list(untrained.find_varying_predictions(clean)) == []
    evidence = setup_of(clean_rows())
    evidence.classifier.head.append(module())
    assert only(untrained.find_varying_predictions(evidence)).severity == "error"


def test_an_empty_text_is_no_obstacle(setup_of):
    rows = [*clean_rows(), ("", "pos"), ("", "neg")]
    evidence = setup_of(rows, *PADDED, "model.pooling=last")
    assert isinstance(evidence.data.train.encoded, EncodedCorpus)
    assert "padding-share" in [finding.check for finding in examine_setup(evidence).findings]


NGRAMS = ("text.tokenizer=word", "text.ngrams=[1, 3]", "model.input.kind=summed-embedding")


def test_clean_data_with_ngrams_has_no_errors_or_warnings(setup_of):
    evidence = setup_of(clean_rows(1000), *NGRAMS)
    diagnosis = check_before(evidence.data, evidence.specification, evidence.classifier, thorough=True)
    assert [finding for finding in diagnosis.findings if finding.severity != "note"] == []


def test_words_read_by_their_ngrams_are_not_unknown(setup_of):
    rows = clean_rows(300)
    few = ("text.vocabulary_size=10", *NGRAMS)
    assert list(unknown_tokens.find_unknown_tokens(setup_of(rows, *few))) == []
    finding = only(
        unknown_tokens.find_unknown_tokens(setup_of(rows, *few, "text.ngrams=[3, 3]", "text.ngram_vocabulary_size=5"))
    )
    assert "are read by their n-grams alone" in finding.what
    assert "shorter n-grams" in finding.remedy
    assert finding.evidence["read_by_ngrams"] > 0


def test_korean_words_with_ngrams_are_no_mistake(setup_of):
    pairs = [(a, b) for a in "가나다라마바사아" for b in "고지네더던군"]
    rows = [(f"학교{a}가 좋{b}다 문의{a}{b}를", str(k % 2)) for k, (a, b) in enumerate(pairs)]
    assert only(unknown_tokens.find_korean_words(setup_of(rows, "text.tokenizer=word"))).check == "korean-words"
    assert list(unknown_tokens.find_korean_words(setup_of(rows, *NGRAMS))) == []


def test_copied_splits_are_seen_by_words_not_by_their_numbers(setup_of):
    evidence = setup_of(clean_rows(1000), *NGRAMS)
    data = evidence.data
    texts = [f"{k}zero{k} one{k}" for k in range(len(data.splits["validation"].rows))]
    found = data.tokenizer.encode_with_lengths(texts)
    other = replace(data.splits["validation"], encoded=EncodedCorpus(found.token_ids, found.offsets, types=found.types))
    again = data.tokenizer.encode_with_lengths([f"{text[::-1]}" for text in texts])
    train = replace(
        data.train,
        rows=data.splits["validation"].rows,
        encoded=EncodedCorpus(again.token_ids, again.offsets, types=again.types),
    )
    assert found.token_ids.tolist() == again.token_ids.tolist()
    unlike = replace(evidence, prepared=replace(data, splits={"train": train, "validation": other}))
    assert list(copied_split.find_copied_split(unlike)) == []
    copied = replace(evidence, prepared=replace(data, splits={"train": train, "validation": train}))
    assert only(copied_split.find_copied_split(copied)).check == "validation-copied"


def test_pads_beside_summed_words(setup_of):
    padded = ("text.max_length=100", "text.pad_to=100")
    evidence = setup_of(clean_rows(), *NGRAMS, *padded)
    assert only(padding.find_counted_padding(evidence)).check == "padding-row"
    assert only(padding.find_unmasked_padding(evidence)).evidence["largest_logit_change_by_the_pads"] > 0


def test_probes_take_summed_words_for_words(setup_of):
    tail = " ".join(f"w{j}" for j in range(60))
    rows = [(f"{('bad', 'good')[k % 2]} text {k} {tail}", str(k % 2)) for k in range(120)]
    evidence = setup_of(rows, *NGRAMS, "text.max_length=20", "text.truncate=front")
    assert only(truncation.find_wrong_side_cut(evidence)).evidence["accuracy_of_the_beginning"] == 1.0
    assert list(cleaning.find_lost_signal(evidence)) == []
