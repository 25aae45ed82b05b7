"""No file of the package imports one that imports it, not even for a type; rooms import downwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import audio_genre

ROOT = Path(audio_genre.__file__).parent


# From the lowest; rooms of one level do not import each other.
LEVELS = (
    {"errors", "extras", "_version"},
    {"decoding", "metrics", "progress", "synthetic"},
    {"audio"},
    {"files"},
    {"encoders"},
    {"dsp"},
    {"datasets"},
    {"bundles", "jobs"},
    {"inputs"},
    {"audit", "extraction"},
    {"evaluation"},
    {"training", "inference"},
    {"library"},
    {"spotify"},
    {"web"},
    {"cli"},
    {"__main__"},
)


def _module(path: Path) -> str:
    return ".".join(("audio_genre", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def _names(tree: ast.AST) -> Iterator[str]:
    """Yield what is imported, in functions and for types too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the package imports by full names"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        else:
            yield from _names(node)


def imports() -> dict[str, set[str]]:
    """Return what each file imports of the package; a name of a package counts as an import of its `__init__`."""
    paths = {_module(path): path for path in ROOT.rglob("*.py")}
    found: dict[str, set[str]] = {}
    for module, path in paths.items():
        wanted = set()
        for name in _names(ast.parse(path.read_text(encoding="utf-8"))):
            known = name if name in paths else name.rpartition(".")[0]
            if known in paths and known != module:
                wanted.add(known)
        found[module] = wanted
    return found


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of files that reach each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for name in graph[waiting.pop()] - seen:
                seen.add(name)
                waiting.append(name)
        return seen

    reach = {name: reached(name) for name in graph}
    together = {
        frozenset(other for other in reach[name] if name in reach[other]) for name in graph if name in reach[name]
    }
    return [set(each) for each in together]


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert list(_names(ast.parse("def f():\n    from a.b import c\nif TYPE_CHECKING:\n    import d"))) == ["a.b.c", "d"]


def test_nothing_imports_what_imports_it() -> None:
    assert circles(imports()) == []


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_rooms_import_downwards() -> None:
    level = {name: number for number, names in enumerate(LEVELS) for name in names}
    upwards = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if room(module) not in ("", room(other)) and not (room(other) and level[room(other)] < level[room(module)])
    ]
    assert upwards == []
