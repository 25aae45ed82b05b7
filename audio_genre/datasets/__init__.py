"""Files to arrays and groups: tables and evaluation protocols."""

from audio_genre.datasets.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Split, SplitProtocol, get_protocol
from audio_genre.datasets.schema import GTZAN57_TABLE, TableSchema
from audio_genre.datasets.tables import Table, Window, find_groups, load_table

__all__ = [
    "DEFAULT_PROTOCOL",
    "GTZAN57_TABLE",
    "PROTOCOLS",
    "Split",
    "SplitProtocol",
    "Table",
    "TableSchema",
    "Window",
    "find_groups",
    "get_protocol",
    "load_table",
]
