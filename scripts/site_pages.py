"""Pages of the documentation that are written elsewhere: a hook for MkDocs.

README, CONTRIBUTING and CHANGELOG are shown as they are, with their links turned to the pages of the site. The
reference has a page for every room of the package, from its docstrings, and one for the command line, from its options.
"""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "sulsul"

# Files of the repository that are pages, by path.
SHOWN = {
    "README.ko.md": "ko.md",
    "CONTRIBUTING.md": "source/contributing.md",
    "CHANGELOG.md": "source/changelog.md",
    "SECURITY.md": "source/security.md",
    "LICENSE": "source/license.md",
    "src/sulsul/sample/README.md": "source/sample.md",
    "examples/onnx_predict.py": "source/onnx_predict.md",
}
_NOT_ROOMS = {"__init__", "__main__", "cli", "sample"}
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s:]+)(#[^)]*)?\)")
_README_SECTION = re.compile(r"^<!-- README: (.+) -->$", re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth|attr|data|mod|exc):<code>~?([\w.]+)</code>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for source, page in SHOWN.items():
        files.append(File.generated(config, page, content=_shown(ROOT / source, page)))
    pages = {f"reference/{name}.md": text for name, text in reference_pages().items()}
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Put sections of the README where a page asks for them: ``<!-- README: ## Start -->``."""
    del config, files
    sections = readme_sections(ROOT / "README.md")
    return _README_SECTION.sub(lambda asked: to_site(sections[asked[1]], page.file.src_uri), markdown)


def on_page_content(html: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Turn the roles of docstrings into references where the target has a page."""
    del page, config, files
    return _ROLE.sub(r'<autoref identifier="\1" optional><code>\1</code></autoref>', html)


def readme_sections(path: Path) -> dict[str, str]:
    """Return the text below every heading of a README, by heading line."""
    pieces = re.split(r"^(#{1,2} .+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading: text.strip() for heading, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def to_site(markdown: str, page: str, folder: str = "") -> str:
    """Turn links between files of the repository into links between pages.

    Parameters
    ----------
    markdown
        Text of a file.
    page
        The page it becomes part of.
    folder
        Folder of the file within the repository.

    Raises
    ------
    FileNotFoundError
        For a link to a file that does not exist.
    """
    pages = {"README.md": "index.md", **SHOWN}
    up = "../" * page.count("/")

    def turned(link: re.Match[str]) -> str:
        path = os.path.normpath(Path(folder) / link[2])
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{page}: the link to {link[2]} leads to no file of the repository.")
        if path.startswith("docs/"):
            return f"[{link[1]}]({up}{path.removeprefix('docs/')}{link[3] or ''})"
        # What is not worth a page is named without a link.
        return f"[{link[1]}]({up}{pages[path]}{link[3] or ''})" if path in pages else link[1]

    return _LINK.sub(turned, markdown)


def _shown(path: Path, page: str) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return to_site(text, page, path.relative_to(ROOT).parent.as_posix())
    language = {".py": "python"}.get(path.suffix, "text")
    return f"# {path.name}\n\n```{language}\n{text}```\n"


def reference_pages() -> dict[str, str]:
    """Return the Markdown of the reference by page name: a page for each room and one for the command line."""
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix in {"", ".py"}} - _NOT_ROOMS - {"__pycache__"}
    pages = {name: _room_page(name) for name in sorted(rooms)}
    rooms_list = "\n".join(f"- [`sulsul.{name}`]({name}.md): {_summary(name)}" for name in pages)
    pages["index"] = (
        "# Reference\n\n[The command line](cli.md), and every room of the package with what it makes public. "
        "`from sulsul import Predictor, RecurrentTextClassifier, explain` is all that most programs need.\n\n"
        f"{rooms_list}\n"
    )
    pages["cli"] = _cli_page()
    return pages


def _room_page(name: str) -> str:
    path = PACKAGE / name / "__init__.py"
    if not path.exists() or _exports(path):
        return f"# sulsul.{name}\n\n{_members(name, level=2)}"
    modules = sorted(module.stem for module in path.parent.glob("[!_]*.py"))
    parts = [f"## {module}\n\n{_members(f'{name}.{module}', level=3)}" for module in modules]
    return "\n".join([f"# sulsul.{name}\n\n{_summary(name)}\n", *parts])


def _members(name: str, *, level: int) -> str:
    """Return the directive that shows what a module makes public, below headings of its own."""
    options = f"{{show_root_heading: false, show_root_toc_entry: false, heading_level: {level}}}"
    return f"::: sulsul.{name}\n    options: {options}\n"


def _exports(path: Path) -> bool:
    return "__all__" in path.read_text(encoding="utf-8")


def _summary(name: str) -> str:
    path = PACKAGE / name
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n\n")[0].replace("\n", " ")


def _cli_page() -> str:
    import typer.main
    from typer.cli import get_docs_for_click

    from sulsul.cli.app import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="sulsul")
    text = get_docs_for_click(obj=command, ctx=context, name="sulsul", title="The command line")
    for name, words in _commands(command):
        text = re.sub(rf"^\* `{re.escape(name)}`: .*\.\.\.$", f"* `{name}`: {words}", text, flags=re.MULTILINE)
    return text


def _commands(group: Any) -> Iterator[tuple[str, str]]:
    """Yield every command with the first paragraph of its help, which typer would shorten."""
    for name, command in getattr(group, "commands", {}).items():
        yield name, " ".join((command.help or "").split("\n\n")[0].split())
        yield from _commands(command)
