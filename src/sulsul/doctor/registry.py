"""Every check, in the order in which findings are told."""

from typing import Any

from sulsul.doctor.check import Check
from sulsul.doctor.data.boilerplate import find_boilerplate
from sulsul.doctor.data.classes import find_dropped_classes, find_imbalance
from sulsul.doctor.data.copied_splits import find_copied_splits
from sulsul.doctor.data.duplicates import find_conflicting_labels, find_duplicates
from sulsul.doctor.data.evaluation_size import find_no_validation, find_small_evaluation
from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.data.grouping import find_time_or_groups
from sulsul.doctor.data.label_leak import find_label_leak
from sulsul.doctor.data.label_order import find_sorted_labels
from sulsul.doctor.data.missing_texts import find_missing_texts
from sulsul.doctor.data.near_duplicates import find_near_duplicates
from sulsul.doctor.data.token_archive import find_shifted_ids, find_unknown_ids
from sulsul.doctor.data.unicode_damage import find_broken_encoding, find_unusual_characters
from sulsul.doctor.keras_files import architecture, arrays, outputs
from sulsul.doctor.keras_files.evidence import KerasEvidence
from sulsul.doctor.run.baselines import find_baseline_ahead, find_single_seed
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.doctor.run.history import find_memorising, find_no_progress, find_other_metric, find_worse_epoch_kept
from sulsul.doctor.run.majority import find_majority_only
from sulsul.doctor.run.pipeline import find_changed_data, find_changed_pipeline, find_foreign_vocabulary
from sulsul.doctor.run.scores import (
    find_help_of_copies,
    find_neglected_classes,
    find_overconfidence,
    find_poor_threshold,
    find_suspicious_equality,
    find_validation_as_result,
)
from sulsul.doctor.setup.cleaning import find_emptied_texts, find_lost_signal
from sulsul.doctor.setup.copied_split import find_copied_split
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.doctor.setup.length_leak import find_length_leak
from sulsul.doctor.setup.padding import (
    find_batch_norm_over_padding,
    find_counted_padding,
    find_padding_share,
    find_unmasked_padding,
)
from sulsul.doctor.setup.pretrained_texts import find_pretrained_on_judged
from sulsul.doctor.setup.settings import (
    find_frozen_random_embedding,
    find_last_epoch_kept,
    find_relu_recurrence,
    find_unlikely_learning_rate,
)
from sulsul.doctor.setup.single_timestep import find_ids_as_numbers, find_single_timestep
from sulsul.doctor.setup.truncation import find_truncation, find_wrong_side_cut
from sulsul.doctor.setup.unknown_tokens import find_korean_words, find_unknown_tokens
from sulsul.doctor.setup.untrained import find_odd_initial_loss, find_varying_predictions

DATA_CHECKS: tuple[Check[DataEvidence], ...] = (
    Check("missing-texts", "data", find_missing_texts),
    Check("broken-encoding", "data", find_broken_encoding),
    Check("unusual-characters", "data", find_unusual_characters),
    Check("boilerplate", "data", find_boilerplate),
    Check("token-ids", "data", find_shifted_ids),
    Check("out-of-vocabulary", "data", find_unknown_ids),
    Check("dropped-classes", "data", find_dropped_classes),
    Check("class-imbalance", "data", find_imbalance),
    Check("sorted-labels", "data", find_sorted_labels),
    Check("label-leak", "data", find_label_leak),
    Check("conflicting-labels", "data", find_conflicting_labels),
    Check("validation-copied", "data", find_copied_splits),
    Check("duplicates", "data", find_duplicates),
    Check("near-duplicates", "data", find_near_duplicates, "thorough"),
    Check("time-or-groups", "data", find_time_or_groups),
    Check("no-validation", "data", find_no_validation),
    Check("small-evaluation", "data", find_small_evaluation),
)

SETUP_CHECKS: tuple[Check[SetupEvidence], ...] = (
    Check("one-timestep", "specification", find_single_timestep),
    Check("ids-as-numbers", "specification", find_ids_as_numbers),
    Check("unmasked-padding", "specification", find_unmasked_padding),
    Check("padding-share", "encoded", find_padding_share),
    Check("padding-row", "specification", find_counted_padding),
    Check("batch-norm-over-padding", "specification", find_batch_norm_over_padding),
    Check("length-leak", "encoded", find_length_leak),
    Check("truncation", "encoded", find_truncation),
    Check("truncation-side", "encoded", find_wrong_side_cut, "thorough"),
    Check("out-of-vocabulary", "encoded", find_unknown_tokens),
    Check("korean-words", "encoded", find_korean_words),
    Check("cleaning", "encoded", find_emptied_texts),
    Check("cleaning", "encoded", find_lost_signal, "thorough"),
    Check("validation-copied", "encoded", find_copied_split),
    Check("pretrained-on-test", "encoded", find_pretrained_on_judged),
    Check("learning-rate", "specification", find_unlikely_learning_rate),
    Check("last-epoch-kept", "specification", find_last_epoch_kept),
    Check("relu-recurrence", "specification", find_relu_recurrence),
    Check("frozen-embedding", "specification", find_frozen_random_embedding),
    Check("initial-loss", "model", find_odd_initial_loss),
    Check("prediction-varies", "model", find_varying_predictions),
)

RUN_CHECKS: tuple[Check[RunEvidence], ...] = (
    Check("majority-only", "run", find_majority_only),
    Check("linear-baseline", "run", find_baseline_ahead),
    Check("one-seed", "run", find_single_seed),
    Check("training-stalled", "run", find_no_progress),
    Check("last-epoch-kept", "run", find_worse_epoch_kept),
    Check("monitored-metric", "run", find_other_metric),
    Check("overfitting", "run", find_memorising),
    Check("neglected-classes", "run", find_neglected_classes),
    Check("overconfidence", "run", find_overconfidence),
    Check("threshold", "run", find_poor_threshold),
    Check("validation-copied", "run", find_suspicious_equality),
    Check("test-as-validation", "run", find_validation_as_result),
    Check("duplicates", "run", find_help_of_copies),
    Check("changed-data", "run", find_changed_data, "thorough"),
    Check("changed-pipeline", "run", find_changed_pipeline, "thorough"),
    Check("vocabulary-of-other-texts", "run", find_foreign_vocabulary, "thorough"),
)

KERAS_CHECKS: tuple[Check[KerasEvidence], ...] = (
    Check("one-timestep", "keras", architecture.find_single_timestep),
    Check("ids-as-numbers", "keras", architecture.find_ids_as_numbers),
    Check("token-ids", "keras", arrays.find_ids_beyond_the_table),
    Check("unmasked-padding", "keras", architecture.find_unmasked_padding),
    Check("padding-share", "keras", architecture.find_padding_share),
    Check("padding-row", "keras", architecture.find_pooled_padding),
    Check("batch-norm-over-padding", "keras", architecture.find_normalised_padding),
    Check("sequence-output", "keras", architecture.find_sequence_output),
    Check("relu-recurrence", "keras", architecture.find_relu_recurrence),
    Check("softmax-one-unit", "keras", outputs.find_softmax_of_one),
    Check("output-and-loss", "keras", outputs.find_unfit_loss),
    Check("labels-and-loss", "keras", outputs.find_labels_unfit_for_loss),
    Check("from-logits", "keras", outputs.find_logits_mistaken),
    Check("learning-rate", "keras", outputs.find_unlikely_learning_rate),
    Check("out-of-vocabulary", "keras", arrays.find_unknown_ids),
    Check("validation-copied", "keras", arrays.find_copied_splits),
    Check("duplicates", "keras", arrays.find_duplicates),
    Check("sorted-labels", "keras", arrays.find_sorted_labels),
    Check("small-evaluation", "keras", arrays.find_small_evaluation),
)

CHECKS: tuple[Check[Any], ...] = (*DATA_CHECKS, *SETUP_CHECKS, *RUN_CHECKS, *KERAS_CHECKS)


def slugs() -> tuple[str, ...]:
    """Return the slug of every check, each once, in the order of the checks."""
    return tuple(dict.fromkeys(check.slug for check in CHECKS))
