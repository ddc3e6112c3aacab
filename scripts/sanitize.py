"""Build the extension with sanitizers and run the kernels' tests with it.

    python scripts/sanitize.py address,undefined     memory errors and undefined behaviour
    python scripts/sanitize.py thread                data races
    python scripts/sanitize.py thread --every 4 …    every fourth test; more options go to pytest

The sanitized extension lies in a copy of the package below `build/`; what is installed stays as it is. Python itself is
not instrumented, so the sanitizer's library is loaded ahead of it. The tests run with the instruction sets this machine
has. Exit code 1 if a test fails or the sanitizer reports anything.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Only tests that start threads of the kernels or call them from several can race.
TESTS = {
    "address,undefined": ("tests/kernels",),
    "thread": ("tests/kernels", "-k", "thread or runtime or workers or fork or network or summed"),
}
_SUPPRESSIONS = ROOT / "scripts" / "thread_sanitizer.supp"
_OPTIONS = {
    # Python leaks by design, and nanobind counts its own leaks.
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    # A test forks with threads running, which the sanitizer dislikes; any report makes the exit code 66.
    "TSAN_OPTIONS": f"die_after_fork=0:second_deadlock_stack=1:suppressions={_SUPPRESSIONS}",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
# An editable install puts a finder of its own before the path.
_RUN = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in type(finder).__name__]
sys.path.insert(0, sys.argv[1])
import pytest, sulsul
class Every:
    def pytest_collection_modifyitems(self, items):
        items[:] = items[::int(sys.argv[2])]
assert sulsul.__file__.startswith(sys.argv[1]), sulsul.__file__
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--timeout=0", *sys.argv[3:]], plugins=[Every()]))
"""


def build(sanitizers: str, folder: Path) -> Path:
    """Build the extension and return a folder with the package around it."""
    import nanobind

    tools = Path(sys.executable).parent
    ninja = shutil.which("ninja", path=f"{tools}{os.pathsep}{os.environ['PATH']}")
    cmake = shutil.which("cmake", path=f"{tools}{os.pathsep}{os.environ['PATH']}")
    if ninja is None or cmake is None:
        raise SystemExit("cmake and ninja are needed: make setup")
    definitions = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_MAKE_PROGRAM": ninja,
        "SKBUILD_PROJECT_NAME": "sulsul",
        "SKBUILD_PROJECT_VERSION": "0",
        "Python_EXECUTABLE": sys.executable,
        "nanobind_DIR": nanobind.cmake_dir(),
        "SULSUL_SANITIZE": sanitizers,
    }
    given = [f"-D{key}={value}" for key, value in definitions.items()]
    subprocess.run([cmake, "-S", ROOT, "-B", folder, "-G", "Ninja", *given], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([ninja, "-C", folder], check=True)
    package = folder / "site" / "sulsul"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "src" / "sulsul", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for extension in folder.glob("cpp/_native*.so"):
        shutil.copy(extension, package / "kernels")
    return package.parent


def libraries(sanitizers: str) -> str:
    """Return what to load ahead of Python: the sanitizer's runtime, and the C++ one whose exceptions it watches."""
    names = ["libtsan.so" if sanitizers == "thread" else "libasan.so", "libstdc++.so.6"]
    found = [subprocess.check_output(["g++", f"-print-file-name={name}"], text=True).strip() for name in names]
    return " ".join(str(Path(path).resolve()) for path in found)


def main() -> int:
    """Build and test with the chosen sanitizers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sanitizers", choices=list(TESTS))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="run every Nth test")
    options, others = parser.parse_known_args()
    sanitizers = options.sanitizers
    site = build(sanitizers, ROOT / "build" / f"sanitize-{sanitizers.partition(',')[0]}")
    reports = site.parent / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    # pytest keeps what passing tests print, so the reports go to files.
    logged = {
        name: f"{value}:log_path={reports}/report" if "SAN" in name else value for name, value in _OPTIONS.items()
    }
    environment = {**os.environ, **logged, "LD_PRELOAD": libraries(sanitizers), "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", _RUN, str(site), str(options.every), *(others or TESTS[sanitizers])]
    code = subprocess.run(command, cwd=ROOT, env=environment).returncode
    found = sorted(reports.iterdir())
    for path in found:
        sys.stderr.write(path.read_text(errors="replace"))
    sys.stderr.write(f"{sanitizers}: exit code {code}, {len(found)} report(s)\n")
    return int(bool(code or found))


if __name__ == "__main__":
    sys.exit(main())
