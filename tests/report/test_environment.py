"""Versions and machine are read without importing anything heavy."""

import platform
import subprocess
import sys

from sulsul.report.environment import describe_machine, package_versions


def test_versions_hold_python_and_the_packages():
    versions = package_versions()
    assert versions["python"] == platform.python_version()
    assert versions["numpy"][0].isdigit()
    assert package_versions(["no-such-package-here"])["no-such-package-here"] == "not installed"


def test_the_machine_is_described():
    machine = describe_machine(threads=3)
    assert machine.cpu
    assert machine.n_cores >= 1
    assert machine.threads == 3


def test_the_report_never_imports_torch():
    code = "import sys, sulsul.report.page, sulsul.report.text_table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
