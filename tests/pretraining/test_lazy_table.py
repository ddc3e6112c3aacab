import torch

from sulsul.pretraining.lazy_table import LazyTable
from sulsul.training.optimizers import build_optimizer, take_lazy_step
from sulsul.training.settings import TrainingSettings


def test_steps_are_those_of_the_lazy_step_of_training() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn((6, 3), generator=generator)
    table, parameter = LazyTable(start.clone()), torch.nn.Parameter(start.clone())
    optimizer = build_optimizer([parameter], TrainingSettings(optimizer="adam"))
    for step, rows in enumerate([torch.tensor([0, 4]), torch.tensor([4]), torch.tensor([1, 2, 4])]):
        gradient = torch.randn((len(rows), 3), generator=generator)
        read = table.read(rows)
        read.grad = gradient
        table.update(rows, read, learning_rate=0.1, step=step)
        take_lazy_step(optimizer, table=parameter, rows=rows, gradient=gradient, learning_rate=0.1, step=step)
    torch.testing.assert_close(table.values, parameter.detach())
    assert torch.equal(table.values[[3, 5]], start[[3, 5]])


def test_a_row_without_gradient_stays() -> None:
    table = LazyTable(torch.ones((2, 1)))
    table.update(torch.tensor([0]), table.read(torch.tensor([0])), learning_rate=1.0, step=0)
    assert table.values.tolist() == [[1.0], [1.0]]
