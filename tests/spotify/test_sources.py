"""Where genres come from: what is matched with what, whom is believed, what is sent to whom, and what never is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import soundfile
from fake_spotify import Answer, FakeSpotify, saved, track
from library_helpers import make
from spotify_helpers import Clock, Told, uri
from track_tables import tracks_frame, write_tracks

from audio_genre.errors import AccountError, AudioGenreError, BundleError, ParameterError, TableError, TryLaterError
from audio_genre.library.plan import Opinion
from audio_genre.library.records import Answer as Heard
from audio_genre.library.records import Entry
from audio_genre.spotify import Account, Sources
from audio_genre.spotify.endpoints import Endpoints
from audio_genre.spotify.songs import LikedSong
from audio_genre.spotify.sources import music as music_source
from audio_genre.spotify.sources.reccobeats import COLUMNS
from audio_genre.spotify.sources.source import Matcher
from audio_genre.training import train_baseline


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that tells the genres of a table of tracks."""
    folder = tmp_path_factory.mktemp("model")
    table = write_tracks(folder / "t.csv", count=150, apart=3.0)
    (trained,) = train_baseline(table, folder, variant="logistic-regression")
    return Path(trained.path)


def found_by(account: Account, **sources: Any) -> dict[str, Opinion]:
    account.read_liked()
    return account.find_genres(Sources(**sources))


@pytest.mark.parametrize(
    ("cells", "how"),
    [
        ({"track_id": "abc"}, "id"),
        ({"track_id": "spotify:track:abc"}, "id"),
        ({"track_id": "https://open.spotify.com/track/abc?si=9"}, "id"),
        ({"isrc": "us-rc1-76-07839"}, "ISRC"),
        ({"track_id": "other", "isrc": "USRC17607839"}, "ISRC"),
        ({"title": "SO  WHAT", "artists": "Miles Davis"}, "title and artist"),
        ({"title": "So What - 2009 Remaster", "artists": "John Coltrane; miles davis"}, "title and artist"),
        ({"title": "So What (feat. Bill Evans)", "artists": "Miles Davis feat. Bill Evans"}, "title and artist"),
        ({"title": "So What", "artists": "Miles Davis", "seconds": 562.0}, "title and artist"),
        ({"title": "So What", "artists": "Miles Davis", "seconds": 300.0}, ""),
        ({"title": "So What", "artists": "P!nk"}, ""),
        ({"title": "So What", "artists": ""}, ""),
        ({"title": "", "artists": "Miles Davis"}, ""),
        ({"track_id": " ", "isrc": " "}, ""),
    ],
)
def test_matching(cells: dict[str, Any], how: str) -> None:
    song = LikedSong("spotify:track:abc", "abc", "USRC17607839", "So What", ("Miles Davis",), "x", 560_000)
    other = LikedSong("spotify:track:nameless")
    songs, found = Matcher([song, other]).find(**cells)
    assert found == how
    assert songs == ([song] if how else [])


def test_corrections(account: Account, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "Track URI,ISRC,Title,Artists,Genre\n"
        f"{uri(1)},,,,jazz\n"
        ",XX0000000002,,,a/b\n"
        ",,Song 3,Artist 3,🎷\n"
        f"{uri(4)},,,,\n"
        "spotify:track:unheard,,,,jazz\n"
    )
    told = Told()
    account.read_liked()
    found = account.find_genres(Sources(corrections=path), told)
    assert {key: opinion.genre for key, opinion in found.items()} == {uri(1): "jazz", uri(2): "a/b", uri(3): "🎷"}
    assert found[uri(1)] == Opinion("jazz", 1.0, "your corrections, mine.csv line 2")
    assert told.notes == ["mine.csv: 1 row means no liked song."]


@pytest.mark.parametrize("text", ["track_id\n1\n", "genre\njazz\n", "a,b\n1,2\n"])
def test_what_is_no_table_of_corrections(account: Account, tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(TableError, match="is no table of corrections: it needs the column genre"):
        found_by(account, corrections=tmp_path / "mine.csv")


def liked_like(fake: FakeSpotify, frame: Any, count: int) -> None:
    """Have the first rows of a table be liked songs."""
    fake.liked[:] = [
        saved(track(k) | {"id": row.track_id, "uri": f"spotify:track:{row.track_id}"}, k)
        for k, row in enumerate(frame.head(count).itertuples())
    ]


def test_a_table_of_features(account: Account, fake: FakeSpotify, model: Path, tmp_path: Path) -> None:
    frame = tracks_frame(60, seed=5, apart=3.0)
    liked_like(fake, frame, 20)
    fake.liked.append(saved(track(900), 99))
    table = write_tracks(tmp_path / "features.csv", frame.drop(columns="track_genre"))
    found = found_by(account, features=table, model=model)
    assert len(found) == 20
    right = [found[f"spotify:track:{row.track_id}"].genre == row.track_genre for row in frame.head(20).itertuples()]
    assert sum(right) >= 15
    assert found[f"spotify:track:{frame.track_id[3]}"].source.startswith("features.csv line 5, ")
    assert uri(900) not in found


def test_the_header_of_exportify(account: Account, fake: FakeSpotify, model: Path, tmp_path: Path) -> None:
    frame = tracks_frame(12, seed=6, apart=3.0)
    liked_like(fake, frame, 12)
    by_name = {"track_id": "Track URI", "artists": "Artist Name(s)", "track_name": "Track Name"}
    exported = frame.drop(columns=["track_genre", "popularity"]).rename(columns=by_name)
    exported["Track URI"] = "spotify:track:" + exported["Track URI"]
    exported.columns = [
        name if name in by_name.values() else {"duration_ms": "Duration (ms)"}.get(name, name.replace("_", " ").title())
        for name in exported.columns
    ]
    exported = exported.rename(columns={"Album Name": "Album Name", "Time Signature": "time_signature"})
    found = found_by(account, features=write_tracks(tmp_path / "liked.csv", exported), model=model)
    assert len(found) == 12
    assert sum(found[f"spotify:track:{row.track_id}"].genre == row.track_genre for row in frame.itertuples()) >= 9


def test_faults_of_a_table_are_told_of_the_table(
    account: Account, fake: FakeSpotify, model: Path, tmp_path: Path
) -> None:
    frame = tracks_frame(9).drop(columns=["track_genre", "tempo"])
    liked_like(fake, frame, 9)
    table = write_tracks(tmp_path / "features.csv", frame)
    with pytest.raises(TableError, match=f"{table} has no column of tempo"):
        found_by(account, features=table, model=model)


def test_a_model_that_hears_audio_is_refused(account: Account, tmp_path: Path) -> None:
    from audio_genre.inference.default import default_model

    table = write_tracks(tmp_path / "features.csv", count=9)
    with pytest.raises(BundleError, match="not tables of tracks"):
        found_by(account, features=table, model=default_model())


@pytest.mark.parametrize(
    "sources", [{"features": Path("x")}, {"reccobeats": True}, {"audio_model": Path("x")}], ids=str
)
def test_sources_that_lack_something_are_refused(sources: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=r"--model|--music"):
        Sources(**sources)


def tell(fake: FakeSpotify, frame: Any) -> None:
    """Have ReccoBeats know the rows of a table."""
    for row in frame.itertuples():
        fake.features[row.track_id] = {name: float(getattr(row, name)) for name in COLUMNS} | {"key": -1}


def test_reccobeats(account: Account, fake: FakeSpotify, model: Path) -> None:
    frame = tracks_frame(100, seed=7, apart=3.0)
    liked_like(fake, frame, 100)
    tell(fake, frame.head(90))
    account.read_liked()
    fake.forget_calls()
    told = Told()
    found = account.find_genres(Sources(reccobeats=True, model=model), told)
    assert len(found) == 90
    right = [found[f"spotify:track:{row.track_id}"].genre == row.track_genre for row in frame.head(90).itertuples()]
    assert sum(right) > 60
    # 40 ids a request, which say nothing but ids; nothing is asked of Spotify.
    assert [len(request.query["ids"].split(",")) for request in fake.requests] == [40, 40, 20]
    assert all(set(request.query) == {"ids"} and request.method == "GET" for request in fake.requests)
    sent, absent = told.notes
    assert sent == "The ids of 100 songs are sent to ReccoBeats (reccobeats.com), a third party."
    assert absent.startswith("ReccoBeats does not tell ")
    assert absent.endswith("taken as missing.")
    # All of it is kept, also of whom ReccoBeats knows nothing.
    fake.forget_calls()
    account.find_genres(Sources(reccobeats=True, model=model))
    assert fake.requests == []


def test_reccobeats_is_asked_only_for_what_nobody_knows(
    account: Account, fake: FakeSpotify, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("track_id,genre\n" + "".join(f"{k:022d},jazz\n" for k in range(110)))
    account.read_liked()
    fake.forget_calls()
    account.find_genres(Sources(corrections=tmp_path / "mine.csv", reccobeats=True, model=model))
    (asked,) = fake.requests
    assert asked.query["ids"].split(",") == [f"{k:022d}" for k in range(110, 120)]


def test_reccobeats_gives_no_model_what_is_spotifys(account: Account, tmp_path: Path) -> None:
    """A model that takes artists is refused: their names would come from Spotify."""
    table = write_tracks(tmp_path / "t.csv", count=120, apart=2.0, artists=3)
    (trained,) = train_baseline(table, tmp_path, variant="logistic-regression", context=("artist",))
    with pytest.raises(BundleError, match=r"takes the artist of a song.*without --context"):
        found_by(account, reccobeats=True, model=Path(trained.path))


@pytest.mark.parametrize(
    ("answers", "kind", "told"),
    [
        ([Answer(429, b"", {"Retry-After": "3"}), Answer(200, {"content": []})], None, ""),
        ([Answer(503), Answer(200, {"content": "odd"})], None, ""),
        ([Answer(429, b"", {"Retry-After": "4000"})], TryLaterError, "ReccoBeats asks for a long pause"),
        ([Answer(503)] * 4, AccountError, r"ReccoBeats has a fault \(status 503\); .* leave out --reccobeats"),
        ([Answer(400)], AccountError, "refuses the request"),
        ([Answer(200, b"<html>")], AccountError, "sent no JSON"),
    ],
)
def test_reccobeats_that_fails(
    account: Account,
    fake: FakeSpotify,
    model: Path,
    endpoints: Endpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[Answer],
    kind: type[AudioGenreError] | None,
    told: str,
) -> None:
    fake.liked = fake.liked[:5]
    account.read_liked()
    left = list(answers)
    monkeypatch.setattr(fake, "_reccobeats", lambda _: left.pop(0))
    again = Account(tmp_path / "state", endpoints=endpoints, sleep=Clock())
    if kind is None:
        assert again.find_genres(Sources(reccobeats=True, model=model)) == {}
    else:
        with pytest.raises(kind, match=told):
            again.find_genres(Sources(reccobeats=True, model=model))
    assert left == []


def test_the_users_own_files(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mutagen

    folder = tmp_path / "music"
    texts: dict[str, dict[str, str]] = {
        "a/one.flac": {"isrc": "XX-0000000001"},
        "two.ogg": {"title": "song 2", "artist": "Artist 2"},
        "two too.ogg": {"isrc": "XX0000000002"},
        "four.flac": {"title": "Song 4", "artist": "Artist 4"},
        "nameless.flac": {},
        "other.flac": {"title": "Song 5", "artist": "Somebody"},
    }
    for name, tags in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, make("hum", 0, 0.5), 22050)
        audio = mutagen.File(path)
        audio.update(tags)
        audio.save()
    (folder / "broken.mp3").write_bytes(b"no mp3")
    asked: list[frozenset[str]] = []

    def listen(music_dir: Path, paths: frozenset[str], **_: Any) -> tuple[str, dict[str, Entry]]:
        asked.append(paths)
        answer = Heard(1, 1, "jazz", 0.8, {"jazz": 0.8})
        by_hand = {"two too.ogg": "rock"}
        return "a model", {
            path: Entry(path, by_hand.get(path, "jazz"), answer, by_hand=path in by_hand) for path in paths
        }

    monkeypatch.setattr(music_source, "listen_to", listen)
    # By their tags they are half a second long; what is that short is not the song of three minutes.
    found = found_by(account, music=folder)
    assert asked == [frozenset({"a/one.flac", "two too.ogg"})]
    assert found[uri(1)] == Opinion("jazz", 0.8, "your file a/one.flac (ISRC), a model")
    assert found[uri(2)] == Opinion("rock", 1.0, "your file two too.ogg (ISRC), chosen by hand")
    assert set(found) == {uri(1), uri(2)}
    with pytest.raises(ParameterError, match="is no folder"):
        found_by(account, music=tmp_path / "nothing")


def test_a_source_that_doubts_leaves_it_to_the_next(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opinions = {
        "music": {uri(1): Opinion("jazz", 0.3), uri(2): Opinion("unknown", 0.9, reason="is like no training data")},
        "features": {uri(1): Opinion("rock", 0.9), uri(3): Opinion("rock", 0.2)},
    }
    asked = []

    class Said:
        def __init__(self, name: str) -> None:
            self.name = name

        def opinions(self, songs: Any, progress: Any) -> dict[str, Opinion]:
            asked.append(len(songs))
            return {song.key: opinions[self.name][song.key] for song in songs if song.key in opinions[self.name]}

    monkeypatch.setattr(Account, "_sources", lambda *_: iter([Said("music"), Said("features")]))
    account.read_liked()
    found = account.find_genres(Sources(), min_confidence=0.5)
    assert {key: opinion.genre for key, opinion in found.items()} == {uri(1): "rock", uri(2): "unknown", uri(3): "rock"}
    assert account.preview(found).plan.counts["unknown"] == 1
    assert asked == [120, 120]
    assert account.find_genres(Sources(), min_confidence=0.0)[uri(1)].genre == "jazz"
