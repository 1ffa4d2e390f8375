"""The sections of docs/django/idioms.md: title, Python of the project, and configuration."""

import dataclasses
import functools
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import stack

DOCUMENT = stack.ROOT / "docs" / "django" / "idioms.md"
_HEADING = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
#: The first line of a template.
_TEMPLATE = re.compile(r"^\{# (\S+) #\}\n")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: As the document has it in its own table of contents.
_ENTRY = re.compile(r"\[([^]]+)\]\(#([\w-]+)\)")


@dataclasses.dataclass(frozen=True)
class Section:
    """An idiom."""

    number: int
    title: str
    text: str
    blocks: tuple[tuple[str, str], ...]

    def of(self, language: str) -> list[str]:
        return [block for kind, block in self.blocks if kind == language]

    @property
    def consumers(self) -> str:
        """The consumer as a Django project has it: the first block of Python."""
        return self.of("python")[0]

    @property
    def beside(self) -> str:
        """The Python that the configuration needs: actions, publishers."""
        return "\n\n".join(self.of("python")[1:])

    @property
    def toml(self) -> str:
        return "\n".join(self.of("toml"))

    @functools.cached_property
    def paths(self) -> list[str]:
        """The paths of its consumers."""
        paths = [one["path"] for one in tomllib.loads(self.toml).get("consumer", [])]
        return [path for one in paths for path in ([one] if isinstance(one, str) else one)]

    @property
    def slug(self) -> str:
        """The second part of its paths."""
        return self.paths[0].split("/")[2]

    def __str__(self) -> str:
        return f"{self.number:02}-{self.slug}"


def read() -> list[Section]:
    text = DOCUMENT.read_text()
    found = list(_HEADING.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    parts = [(one, text[one.end() : end]) for one, end in zip(found, ends, strict=True)]
    return [
        Section(int(one[1]), one[2], part, tuple((kind, block) for kind, block in _BLOCK.findall(part)))
        for one, part in parts
    ]


def contents() -> list[tuple[str, str]]:
    """The table of contents: titles and anchors."""
    return _ENTRY.findall(DOCUMENT.read_text().split("\n## 1. ")[0])


def anchor(section: Section) -> str:
    """The anchor of a heading, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", f"{section.number}. {section.title}".lower())
    return kept.replace(" ", "-")


def configuration(sections: list[Section], changed: dict[int, str] | None = None) -> str:
    """All consumers in one file; `changed` has other text for some sections."""
    return "\n".join((changed or {}).get(section.number, section.toml) for section in sections)


#: Lines without which clients see the same, most of the time.
UNSEEN = {"idempotent = true"}


def shorter(text: str) -> Iterator[tuple[str, str]]:
    """The first line of what is left out, and the rest: a key with its value, or a table with all its keys."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        if not line or line.startswith(("[[consumer]]", "path")):
            continue
        for end in range(start + 1, len(lines) + 1):
            is_table = line.startswith("[")
            if is_table and end < len(lines) and not lines[end].startswith("["):
                continue
            rest = "\n".join(lines[:start] + lines[end:])
            try:
                tomllib.loads(rest)
            except tomllib.TOMLDecodeError:
                continue
            yield line, rest
            break


def write(sections: list[Section], project: Path) -> None:
    """The Python of all sections as the package `sections` in this directory."""
    package = project / "sections"
    listed = []
    for section in sections:
        module = package / f"n{section.number:02}"
        module.mkdir(parents=True)
        (module / "__init__.py").write_text("")
        (module / "consumers.py").write_text(section.consumers)
        if section.beside:
            (module / "beside.py").write_text(section.beside)
        kinds = {"has_actions": "@action(" in section.beside, "describes": "def describe(" in section.beside}
        listed.append({"number": section.number, "paths": section.paths, **kinds})
        for template in section.of("html"):
            if name := _TEMPLATE.match(template):
                file = project / "templates" / name[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(template[name.end() :])
    (package / "__init__.py").write_text("")
    (package / "list.json").write_text(json.dumps(listed))
