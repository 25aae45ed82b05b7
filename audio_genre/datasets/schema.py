"""What the columns of a table mean, as data: which are features, which is the label, which name a row."""

from __future__ import annotations

from dataclasses import dataclass

from audio_genre.dsp import GTZAN57, Recipe
from audio_genre.errors import ParameterError

_INDEX_COLUMNS = ("", "Unnamed: 0", "index", "level_0")


@dataclass(frozen=True)
class TableSchema:
    """The columns of one kind of table.

    Attributes
    ----------
    name : str
        Name of the schema, for messages and model cards.
    recipe : str or None
        Feature recipe behind the features; None where they come from elsewhere.
    features : tuple of str
        Feature columns, in the order in which a model takes them.
    label : str
        Column of the class; it may be empty in a table that is only classified.
    item : str
        Column that names a row.
    group : str or None
        Column whose equal values belong together and must never be split. None: the item names say it, because
        segments of a track are named ``<track>.<k><suffix>``.
    length : str or None
        Column of the signal's length in samples, where there is one.
    ignored : tuple of str
        Columns that are never features, whoever asks: the length, and what index columns are called.

    Raises
    ------
    ParameterError
        If there is no feature, a feature is listed twice, or a column that can never be a feature is listed as one.

    Examples
    --------
    >>> GTZAN57_TABLE.item, GTZAN57_TABLE.label, len(GTZAN57_TABLE.features)
    ('filename', 'label', 57)
    """

    name: str
    recipe: str | None
    features: tuple[str, ...]
    label: str
    item: str
    group: str | None = None
    length: str | None = None
    ignored: tuple[str, ...] = _INDEX_COLUMNS

    def __post_init__(self) -> None:
        if not self.features or len(set(self.features)) < len(self.features):
            raise ParameterError(
                f"The features of the schema {self.name!r} must be at least one column, each named once."
            )
        never = {self.label, self.item, self.group, self.length, *self.ignored}
        wrong = [column for column in self.features if column in never]
        if wrong:
            raise ParameterError(
                f"The column {wrong[0]!r} of the schema {self.name!r} cannot be a feature: it tells the label, the row "
                "or its length."
            )


def table_schema(recipe: Recipe) -> TableSchema:
    """Return the columns of a table that was extracted with a recipe.

    Parameters
    ----------
    recipe : Recipe
        The recipe.

    Returns
    -------
    TableSchema
        The schema.

    Examples
    --------
    >>> len(table_schema(GTZAN57.derive(n_mfcc=13)).features)
    43
    """
    return TableSchema(
        name="gtzan57" if recipe == GTZAN57 else recipe.name,
        recipe=recipe.name,
        features=recipe.feature_names,
        label="label",
        item="filename",
        length="length",
        # In the 30-s table the length alone tells many genres apart: all of pop has 661504 samples.
        ignored=("length", *_INDEX_COLUMNS),
    )


GTZAN57_TABLE = table_schema(GTZAN57)
"""The public GTZAN tables of 60 columns, and what `audio_genre` extracts."""
