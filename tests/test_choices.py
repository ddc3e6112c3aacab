import pytest

from sulsul.choices import Facts, settle
from sulsul.recipes import load_recipe
from sulsul.specification import RunSpecification


@pytest.mark.parametrize(
    ("n_texts", "n_classes", "n_tokens", "epochs", "members"),
    [
        (2_000, 3, 80_000, 10, 5),
        (2_000, 10, 80_000, 15, 5),
        (135_000, 2, 1_200_000, 2, 3),
        (20_000, 2, 4_700_000, 4, 1),
        (4, 2, 12, 16, 5),
        (50_000_000, 2, 500_000_000, 2, 1),
    ],
)
def test_small_data_get_more_epochs_and_networks(
    n_texts: int, n_classes: int, n_tokens: int, epochs: int, members: int
) -> None:
    specification = RunSpecification(choose=("training.epochs", "ensemble.members"))
    settled, reasons = settle(specification, Facts(n_texts, n_classes, n_tokens))
    assert (settled.training.epochs, settled.ensemble.members, settled.choose) == (epochs, members, ())
    assert [reason.split(":")[0] for reason in reasons] == [
        f"training.epochs = {epochs}",
        f"ensemble.members = {members}",
    ]


def test_what_the_user_sets_is_not_chosen() -> None:
    specification = load_recipe("default").with_overrides(["training.epochs=3"])
    settled, reasons = settle(specification, Facts(2_000, 3, 80_000))
    assert settled.training.epochs == 3
    assert not any("epochs" in reason for reason in reasons)
    assert RunSpecification.from_toml(settled.to_toml()) == settled


def test_one_plain_network_is_left_of_a_recipe() -> None:
    single = load_recipe("default").single_network()
    settled, _ = settle(single, Facts(2_000, 3, 80_000))
    assert (settled.ensemble.members, settled.wide.kind, settled.calibration.temperature) == (1, "none", "none")
