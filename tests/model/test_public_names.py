import subprocess
import sys

import pytest

import sulsul.model


def test_every_public_name_is_there_and_sorted() -> None:
    names = sulsul.model.__all__
    assert names == sorted(names)
    for name in names:
        assert getattr(sulsul.model, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = sulsul.model.other


def test_reading_a_specification_does_not_import_torch() -> None:
    code = "import sys; import sulsul.model.specification; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
