"""Dividing a corpus into folds for cross-validation."""

import numpy as np

from sulsul.corpora.corpus import Corpus
from sulsul.corpora.settings import SplitSettings
from sulsul.corpora.splits import Splits, class_names, split_corpus
from sulsul.errors import SplitError


def fold_splits(corpus: Corpus, settings: SplitSettings, n_folds: int) -> tuple[Splits, ...]:
    """Divide all rows into folds; each is the test split once, and the others are divided into training and validation.

    Where every row has one label and the settings ask for it, every fold holds its share of each class. The validation
    split is taken from the rows that are not in the fold, as :func:`~sulsul.corpora.splits.split_corpus` takes it.

    Raises
    ------
    SplitError
        If there are fewer than 2 folds or fewer rows than folds, a class has fewer texts than there are folds, or the
        settings name the parts of the data themselves.
    """
    from sklearn.model_selection import KFold, StratifiedKFold  # a second to import

    if settings.column or settings.validation_source or settings.test_source or corpus.split_values is not None:
        raise SplitError(f"{corpus.source}: its parts are named by the data, but folds divide all rows; choose one.")
    if not 2 <= n_folds <= len(corpus):
        raise SplitError(f"{corpus.source}: {n_folds} folds of {len(corpus)} rows; give between 2 and that many.")
    stratified = settings.stratify and not corpus.multi_label
    if stratified:
        _require_enough(corpus, n_folds)
    divider = (StratifiedKFold if stratified else KFold)(n_folds, shuffle=True, random_state=settings.seed)
    labels = corpus.labels.to_numpy() if stratified and corpus.labels is not None else np.zeros(len(corpus))
    inner = settings.model_copy(update={"test": 0.0, "test_rows": None})
    splits = []
    for others, fold in divider.split(np.zeros(len(corpus)), labels):
        found = split_corpus(corpus.select(others), inner)
        splits.append(Splits(others[found.train], others[found.validation], fold.astype(np.int64), found.note))
    return tuple(splits)


def _require_enough(corpus: Corpus, n_folds: int) -> None:
    scarce = [name for name, n in corpus.class_counts().items() if n < n_folds]
    if scarce:
        raise SplitError(
            f"{corpus.source}: class {class_names(scarce)} has fewer texts than the {n_folds} folds. "
            "Use fewer folds, leave the class out with --keep-classes, or set split.stratify=false."
        )
