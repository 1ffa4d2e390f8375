"""The project's own source: the modules of its apps and of its package of settings, none of installed packages."""

import ast
import sysconfig
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from django.apps import apps
from django.conf import settings

from channelgate.nodefile import folder as project_folder

#: Folders without code of the project.
SKIPPED = frozenset({"migrations", "node_modules", "__pycache__", "tests", "testing", "venv", "env"})


def source_files() -> Iterator[Path]:
    """Every module, each once."""
    seen: set[Path] = set()
    for folder in folders():
        for path in sorted(folder.rglob("*.py")):
            inner = path.relative_to(folder).parts[:-1]
            if path in seen or any(part in SKIPPED or part.startswith(".") for part in inner):
                continue
            if path.name.startswith("test_") or path.name in ("tests.py", "conftest.py"):
                continue
            seen.add(path)
            yield path


def folders() -> list[Path]:
    """The folders of the project's own apps, and that of its settings."""
    found = [Path(one.path).resolve() for one in apps.get_app_configs()]
    top = str(getattr(settings, "ROOT_URLCONF", "") or "").partition(".")[0]
    if top:
        try:
            file = import_module(top).__file__
        except Exception:
            # Django's own check of ROOT_URLCONF says it.
            file = None
        if file and Path(file).name == "__init__.py":
            found.append(Path(file).resolve().parent)
    own = [one for one in found if not _is_installed(one)]
    return [one for one in dict.fromkeys(own) if not any(other != one and other in one.parents for other in own)]


def _is_installed(folder: Path) -> bool:
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")}
    here = Path(__file__).resolve().parents[1]
    return folder == here or "site-packages" in folder.parts or any(one in folder.parents for one in installed)


def parsed(path: Path) -> ast.Module | None:
    """The module's tree; None if it is not Python."""
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError, OSError):
        return None


def shown(path: Path) -> str:
    """The path in a message: from the project's folder on."""
    base = project_folder().resolve()
    return str(path.relative_to(base)) if base in path.parents else str(path)
