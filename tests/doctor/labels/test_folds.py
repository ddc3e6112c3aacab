import numpy as np

from sulsul.doctor.labels.folds import grouped_folds


def test_equal_texts_share_a_fold_and_classes_are_dealt_out():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 60, 200)
    classes = keys % 3
    fold_of = grouped_folds(keys, classes, 4, seed=1)
    assert all(len(set(fold_of[keys == key].tolist())) == 1 for key in np.unique(keys))
    for label in range(3):
        distinct = np.unique(keys[classes == label])
        counts = np.bincount([int(fold_of[keys == key][0]) for key in distinct], minlength=4)
        assert counts.max() - counts.min() <= 1


def test_texts_without_letters_are_no_copies_of_each_other():
    fold_of = grouped_folds(np.full(9, -1), np.zeros(9, np.int64), 3, seed=0)
    assert np.bincount(fold_of).tolist() == [3, 3, 3]


def test_label_sets_are_dealt_by_set():
    hot = np.array([[1, 0], [1, 1]] * 6, np.float32)
    fold_of = grouped_folds(np.full(12, -1), hot, 2, seed=0)
    assert [int(hot[fold_of == fold, 1].sum()) for fold in (0, 1)] == [3, 3]
