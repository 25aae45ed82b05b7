"""The models that can be chosen, by name, and the one that is."""

from __future__ import annotations

from pathlib import Path

from audio_genre.errors import BundleError
from audio_genre.web.settings import Settings

SHIPPED = "default"
"""Name of the model that comes with the package."""

_CARD = "card.json"


class Catalogue:
    """The models that can be chosen: those of a folder, one of its own, and the one that comes with the package."""

    def __init__(self, settings: Settings) -> None:
        self._own, self._models = settings.model, settings.models
        self.chosen = SHIPPED if self._own is None else _name(self._own)

    def folders(self) -> dict[str, Path | None]:
        """Return the folder of each model by its name; None is the one that comes with the package."""
        found: dict[str, Path | None] = {}
        if self._own is not None:
            found[_name(self._own)] = self._own
        for folder in self._of_folder():
            if self._own is None or folder.resolve() != self._own.resolve():
                name = folder.name
                while name in found or name == SHIPPED:
                    name += " (2)"
                found[name] = folder
        found[SHIPPED] = None
        return found

    def folder(self, name: str) -> Path | None:
        """Return the folder of a model by its name."""
        folders = self.folders()
        if name not in folders:
            raise BundleError(f"There is no model {name!r}; choose one of {', '.join(folders)}.")
        return folders[name]

    def stamps(self) -> dict[str, int]:
        """Return when each model of the folder changed."""
        return {folder.name: (folder / _CARD).stat().st_mtime_ns for folder in self._of_folder()}

    def _of_folder(self) -> list[Path]:
        if self._models is None:
            return []
        try:
            entries = sorted(self._models.iterdir())
        except OSError as error:
            raise BundleError(f"{self._models} cannot be read: {error.strerror}; start the server again.") from None
        # What begins with a dot is unfinished work of a training.
        return [entry for entry in entries if not entry.name.startswith(".") and (entry / _CARD).is_file()]


def _name(folder: Path) -> str:
    return folder.resolve().name or SHIPPED
