import pytest

from sulsul.kernels.cell import Cell


def test_shapes_follow_keras():
    assert Cell("simple-rnn").bias_shape(5) == (5,)
    assert Cell("lstm").bias_shape(5) == (20,)
    assert Cell("gru", reset_after=True).bias_shape(5) == (2, 15)
    assert Cell("gru", reset_after=False).bias_shape(5) == (15,)
    assert [Cell(kind).has_cell_state for kind in ("simple-rnn", "gru", "lstm")] == [False, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "rnn"}, "unknown cell 'rnn'"),
        ({"kind": "lstm", "activation": "gelu"}, "unknown activation 'gelu'"),
        ({"kind": "gru", "activation": "relu"}, "tanh"),
    ],
)
def test_impossible_cells_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Cell(**options)
