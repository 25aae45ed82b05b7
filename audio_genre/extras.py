"""How to install what an extra of the package brings, in words that work wherever the package came from."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

_REQUIREMENT = re.compile(r"(?P<package>[^;]+?)\s*;.*\bextra\s*==\s*['\"](?P<extra>[\w-]+)['\"].*")
_OWN = re.compile(r"audio-genre\[(?P<extras>[\w,-]+)\]")


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra.

    Examples
    --------
    >>> install_command("tags")
    'pip install "mutagen>=1.47"'
    """
    packages = " ".join(f'"{package}"' for package in _packages(extra))
    return f"pip install {packages}" if packages else f'pip install ".[{extra}]"'


def _packages(extra: str) -> list[str]:
    try:
        lines = requires("audio-genre") or []
    except PackageNotFoundError:
        return []
    found: list[str] = []
    for line in lines:
        match = _REQUIREMENT.fullmatch(line)
        if match is None or match["extra"] != extra:
            continue
        own = _OWN.fullmatch(match["package"])
        found += (
            [match["package"]] if own is None else [p for name in own["extras"].split(",") for p in _packages(name)]
        )
    return found
