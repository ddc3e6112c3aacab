"""The checks that every training run makes: the quick ones before, those of the result after."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from sulsul.doctor.data.evidence import DataEvidence
from sulsul.doctor.examination import Diagnosis, by_severity, examine_data, examine_run, examine_setup
from sulsul.doctor.run.evidence import RunEvidence
from sulsul.doctor.setup.evidence import SetupEvidence
from sulsul.findings import Finding
from sulsul.model.classifier import Classifier
from sulsul.preparation import PreparedData
from sulsul.report.record import RunRecord, Split
from sulsul.specification import RunSpecification

# Before training these are a risk; afterwards there are figures.
_TOLD_AGAIN = frozenset({"last-epoch-kept"})


def check_before(
    data: PreparedData,
    specification: RunSpecification,
    classifier: Classifier,
    *,
    thorough: bool = False,
    trained: bool = False,
) -> Diagnosis:
    """Look at texts, labels, settings, encoded texts and the network, before it is trained.

    Nothing is changed, torch's random numbers included.

    Parameters
    ----------
    data
        The encoded splits.
    specification
        What they were made by.
    classifier
        The network.
    thorough
        Also run the checks that take up to a minute.
    trained
        Whether the network has been trained already.
    """
    rows = {name: split.rows for name, split in data.splits.items()}
    about_data = DataEvidence(data.corpus, rows, specification.data, specification.split)
    about_setup = SetupEvidence(specification, data, classifier, trained)
    return examine_data(about_data, thorough=thorough) + examine_setup(about_setup, thorough=thorough)


def check_after(
    record: RunRecord,
    data: PreparedData,
    specification: RunSpecification,
    probabilities: Mapping[Split, npt.NDArray[np.float64]],
) -> Diagnosis:
    """Look at the result of training.

    Parameters
    ----------
    record
        History, evaluations, baselines and paired tests of the run.
    data
        The encoded splits.
    specification
        What the run was made by.
    probabilities
        Shape (B, C) for every split that was judged.
    """
    return examine_run(RunEvidence(record, specification, probabilities, data), thorough=False)


def findings_of_run(before: Iterable[Finding], after: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings before and after training together, the gravest first, none told twice."""
    later = tuple(after)
    replaced = _TOLD_AGAIN & {finding.check for finding in later}
    return by_severity([*(finding for finding in before if finding.check not in replaced), *later])
