"""What the doctor says of the notebooks' experiments and of our own recipes, on real data."""

import pytest

from sulsul.doctor import check_before
from sulsul.experiment import build_classifier, run_experiment
from sulsul.preparation import prepare
from sulsul.recipes import load_recipe
from sulsul.sample import sample_path

GRAVE = ("error", "warning")


def found_before(recipe, source, *overrides, thorough=False):
    specification = load_recipe(recipe).with_overrides((f'data.source="{source}"', *overrides))
    data = prepare(specification)
    diagnosis = check_before(data, specification, build_classifier(specification, data), thorough=thorough)
    return {finding.check: finding for finding in reversed(diagnosis.findings)}


def grave(findings):
    return {check for check, finding in findings.items() if finding.severity in GRAVE}


@pytest.mark.parametrize("recipe", ["default", "demo"])
def test_our_recipes_on_the_sample_corpus_cause_no_alarm(recipe):
    assert grave(found_before(recipe, sample_path(), thorough=True)) == set()


@pytest.mark.shared_data
@pytest.mark.parametrize("recipe", ["seoul-birnn", "seoul-bigru", "seoul-bilstm", "seoul-bilstm-batchnorm"])
def test_the_notebook_on_petitions(recipe, shared_data):
    found = found_before(recipe, shared_data / "seoul-120-text.csv")
    assert found["unmasked-padding"].severity == "error"
    assert 0.87 <= found["padding-share"].evidence["share"] <= 0.89
    assert found["out-of-vocabulary"].evidence["share"] == pytest.approx(0.62, abs=0.01)
    assert "3 of 10 classes" in found["dropped-classes"].what
    assert found["small-evaluation"].evidence["texts"] == 428
    assert "돋움" in found["boilerplate"].what
    assert {"korean-words", "last-epoch-kept"} <= set(found)
    assert ("batch-norm-over-padding" in found) == (recipe == "seoul-bilstm-batchnorm")


@pytest.mark.shared_data
def test_the_notebook_without_padding(shared_data):
    found = found_before("seoul-birnn-unpadded", shared_data / "seoul-120-text.csv")
    assert not {"unmasked-padding", "padding-share"} & set(found)


@pytest.mark.shared_data
@pytest.mark.parametrize("recipe", ["imdb-single-step-rnn", "imdb-single-step-lstm"])
def test_single_step_recipes(recipe, shared_data):
    found = found_before(recipe, shared_data / "imdb-train.parquet")
    assert "one timestep" in found["one-timestep"].what
    assert {"ids-as-numbers", "initial-loss", "relu-recurrence", "no-validation"} <= set(found)


@pytest.mark.shared_data
def test_the_default_recipe_on_real_texts(shared_data):
    petitions = found_before(
        "default", shared_data / "seoul-120-text.csv", "data.label=분류", 'data.text=["제목", "내용"]'
    )
    # The data have these faults whatever the recipe.
    assert grave(petitions) <= {"boilerplate", "class-imbalance"}
    films = found_before("default", shared_data / "imdb-train.parquet", "data.limit=2000")
    assert grave(films) == {"boilerplate"}
    korean_films = found_before("default", shared_data / "nsmc-train.tsv", "data.text=['document']", "data.limit=5000")
    assert grave(korean_films) == set()


@pytest.mark.shared_data
def test_a_run_that_learned_nothing_says_so(shared_data, tmp_path):
    settings = (
        f'data.source="{shared_data / "seoul-120-text.csv"}"', "training.epochs=1", "training.threads=1",
        "training.learning_rate=1e-6", "data.limit=1200",
    )  # fmt: skip
    specification = load_recipe("seoul-birnn").with_overrides(settings)
    outcome = run_experiment(specification, tmp_path / "run", command="sulsul train")
    found = {finding.check: finding for finding in outcome.record.findings}
    assert "worse than a linear model" in found["linear-baseline"].what
    assert found["majority-only"].severity in GRAVE
    assert "learning-rate" in found


def test_a_whole_run_of_the_default_recipe_causes_no_alarm(tmp_path):
    settings = (f'data.source="{sample_path()}"', 'data.text=["text"]', "data.label=label", "training.threads=1")
    specification = load_recipe("default").with_overrides(settings)
    outcome = run_experiment(specification, tmp_path / "run", command="sulsul train")
    assert [finding.check for finding in outcome.record.findings if finding.severity in GRAVE] == []
