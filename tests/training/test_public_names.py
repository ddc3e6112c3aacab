import subprocess
import sys

import pytest

import sulsul.training


def test_every_public_name_is_there_and_sorted() -> None:
    names = sulsul.training.__all__
    assert names == sorted(names)
    for name in names:
        assert getattr(sulsul.training, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = sulsul.training.other


def test_reading_the_settings_does_not_import_torch() -> None:
    code = "import sys; import sulsul.training.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
