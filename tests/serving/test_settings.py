import pytest

from sulsul.errors import SpecificationError, UsageError
from sulsul.serving.authentication import KeyCheck, read_api_key
from sulsul.serving.settings import ServingSettings

KEY = "0123456789abcdef"


def test_a_server_is_bound_to_loopback_unless_told():
    assert ServingSettings().on_loopback
    assert not ServingSettings(host="0.0.0.0").on_loopback


def test_overrides():
    settings = ServingSettings().with_overrides(["port=9000", "timeout_s=2.5", "allowed_hosts=a.example,b.example"])
    assert (settings.port, settings.timeout_s, settings.allowed_hosts) == (9000, 2.5, ("a.example", "b.example"))
    with pytest.raises(SpecificationError, match="max_text"):
        settings.with_overrides(["max_text=3"])
    with pytest.raises(SpecificationError, match="port"):
        settings.with_overrides(["port=70000"])
    with pytest.raises(UsageError, match="KEY=VALUE"):
        settings.with_overrides(["port"])


def test_the_key_comes_from_a_file_or_the_environment(tmp_path):
    file = tmp_path / "key"
    file.write_text(f"{KEY}\nsecond line\n")
    from_file = read_api_key(file, {"SULSUL_API_KEY": "of-the-environment"})
    assert from_file is not None
    assert from_file.get_secret_value() == KEY
    assert KEY not in repr(from_file)
    from_environment = read_api_key(None, {"SULSUL_API_KEY": KEY})
    assert from_environment == from_file
    assert read_api_key(None, {}) is None


@pytest.mark.parametrize("key", ["", "short", "한글은 안 되는 열쇠입니다 열쇠", "with spaces in between it"])
def test_a_key_that_is_easily_guessed_or_sent_wrong_is_refused(tmp_path, key):
    with pytest.raises(UsageError, match="SULSUL_API_KEY"):
        read_api_key(None, {"SULSUL_API_KEY": key})
    with pytest.raises(UsageError, match="missing"):
        read_api_key(tmp_path / "missing", {})


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        (f"Bearer {KEY}", True),
        (f"bearer  {KEY} ", True),
        (f"Bearer {KEY}x", False),
        (KEY, False),
        (f"Basic {KEY}", False),
        ("", False),
        (None, False),
    ],
)
def test_key_check(header, admitted):
    from pydantic import SecretStr

    assert KeyCheck(SecretStr(KEY)).admits(None if header is None else header.encode()) is admitted
