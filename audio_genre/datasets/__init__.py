"""Files to arrays and groups: tables, pictures, evaluation protocols."""

from audio_genre.datasets.groups import Grouping, Window, find_groups
from audio_genre.datasets.pictures import Pictures, load_pictures
from audio_genre.datasets.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Split, SplitProtocol, applicable, get_protocol
from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema, table_schema
from audio_genre.datasets.splits import ListedProtocol, read_splits
from audio_genre.datasets.tables import Table, load_table
from audio_genre.datasets.tracks import GenreMapping, Tracks, default_mapping, load_tracks, read_mapping

__all__ = [
    "DEFAULT_PROTOCOL",
    "GTZAN57_TABLE",
    "PROTOCOLS",
    "GenreMapping",
    "Grouping",
    "ListedProtocol",
    "Pictures",
    "Split",
    "SplitProtocol",
    "Table",
    "TableSchema",
    "Tracks",
    "Window",
    "applicable",
    "default_mapping",
    "find_groups",
    "get_protocol",
    "load_pictures",
    "load_table",
    "load_tracks",
    "read_mapping",
    "read_splits",
    "table_schema",
]
