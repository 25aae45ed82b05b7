"""Files to arrays and groups: tables, pictures, evaluation protocols."""

from audio_genre.datasets.pictures import Pictures, load_pictures
from audio_genre.datasets.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Split, SplitProtocol, applicable, get_protocol
from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema
from audio_genre.datasets.tables import Table, Window, find_groups, load_table

__all__ = [
    "DEFAULT_PROTOCOL",
    "GTZAN57_TABLE",
    "PROTOCOLS",
    "Pictures",
    "Split",
    "SplitProtocol",
    "Table",
    "TableSchema",
    "Window",
    "applicable",
    "find_groups",
    "get_protocol",
    "load_pictures",
    "load_table",
]
