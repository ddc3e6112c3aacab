"""Every way in takes or refuses changed inputs; `make fuzz` tries many more, in processes that are watched."""

import random
import shutil
from collections.abc import Iterator

import pytest
from benchmarks.fuzz import mutation, targets

N_INPUTS = 60


@pytest.fixture(scope="module", autouse=True)
def _folder() -> Iterator[None]:
    yield
    shutil.rmtree(targets.FOLDER)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", targets.NAMES)
def test_changed_inputs_are_taken_or_refused(name: str) -> None:
    target = targets.target(name)
    assert all(target.accepts(seed) for seed in target.seeds)
    draw = random.Random(name)
    mutate = mutation.mutate_json if target.is_json else mutation.mutate_bytes
    refused = 0
    for _ in range(N_INPUTS):
        content = mutate(draw.choice(target.seeds), draw)
        try:
            refused += not target.accepts(content)
        except BaseException as error:
            error.add_note(f"with {content[:2000]!r}")
            raise
    assert refused
