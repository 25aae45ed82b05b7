"""A Spotify account in a real browser: as a person sorts liked songs, with the account of a stand-in to show for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fake_spotify import CLIENT_ID, FakeSpotify, limited, saved, serve, track
from spotify_helpers import uri
from track_tables import tracks_frame, write_tracks
from web_page import CHROMIUM, Visit, served

from audio_genre.training import train_baseline

pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("spotipy", reason="the extra spotify is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")

SONGS = 8
WITH_FEATURES = range(2, 6)


@pytest.fixture
def fake() -> FakeSpotify:
    fake = FakeSpotify(SONGS)
    fake.liked[0]["track"]["name"] = "So <i>what"
    fake.liked.append(saved(track(SONGS, is_local=True, id=None, uri="spotify:local:x"), SONGS))
    return fake


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    table = write_tracks(folder / "t.csv", count=150, apart=3.0)
    train_baseline(table, folder / "models", variant="logistic-regression")
    return folder / "models"


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    corrections = tmp_path / "my genres.csv"
    corrections.write_text("title,artists,genre\nSo <i>what,Artist 0,jazz\nSong 1,Artist 1,jazz\n")
    frame = tracks_frame(len(WITH_FEATURES), seed=5, apart=6.0).drop(columns="track_genre")
    frame["track_id"] = [f"{number:022d}" for number in WITH_FEATURES]
    return {"corrections": corrections, "features": write_tracks(tmp_path / "exported.csv", frame)}


@pytest.fixture
def visit(
    browser: Any, fake: FakeSpotify, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Visit]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with serve(fake) as endpoints:
        first = f"from audio_genre.spotify import endpoints; endpoints.SPOTIFY = endpoints.{endpoints}; "
        with served("--models", models, first=first) as address:
            visit = Visit(browser, f"{address}#spotify", 1280)
            yield visit
            visit.context.close()


def row(page: Any, text: str) -> Any:
    return page.get_by_role("table", name="Liked songs").get_by_role("row").filter(has_text=text)


def says(page: Any, words: str) -> None:
    expect(page.locator("#account-task [role=status]")).to_have_text(words, timeout=30000)


def inspect(page: Any) -> list[tuple[str, str]]:
    """Look at the page at two widths, light and dark: nothing is hard to reach, and nothing too wide."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = []
    for width, scheme in ((360, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        found += axe.Axe().run(page).response["violations"]
        assert page.evaluate("document.documentElement.scrollWidth") == width
    return [(each["id"], each["nodes"][0]["html"]) for each in found]


def test_liked_songs_are_sorted(visit: Visit, fake: FakeSpotify, tables: dict[str, Path], tmp_path: Path) -> None:
    page = visit.page
    expect(page.locator("#redirect-uri")).to_have_text("http://127.0.0.1/callback")
    assert inspect(page) == []

    # Connect.
    page.get_by_label("Client ID").fill(CLIENT_ID)
    page.get_by_role("button", name="Connect with Spotify").click()
    expect(page.locator("#account-name")).to_have_text("Connected as Ada")
    assert page.url.endswith("/#spotify")

    # Liked songs, where Spotify asks for a pause, and the page is loaded again meanwhile.
    fake.forget_calls()
    fake.faults[0] = limited(5)
    page.get_by_role("button", name="Read liked songs").click()
    expect(page.locator("#account-task [role=status]")).to_contain_text("waiting as Spotify asks, 3 s left")
    page.reload()
    expect(page.locator("#account-task [role=status]")).to_contain_text("waiting as Spotify asks")
    says(page, "9 liked songs read.")
    expect(page.locator("#song-summary")).to_have_text(
        "9 songs: 0 with a genre, 0 unknown, 8 that no source knows, 1 that cannot go to a playlist."
    )

    # Their genres.
    for role, label in (("corrections", "Table of genres"), ("features", "Table of track features")):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=f"{label}: choose file").click()
        chooser.value.set_files(str(tables[role]))
        expect(page.locator(f"#source-{role}")).to_be_checked()
    expect(page.locator("#sources")).to_contain_text("my genres.csv")
    page.get_by_role("button", name="Find genres").click()
    says(page, "6 songs found in the sources.")
    expect(row(page, "So <i>what")).to_contain_text("your corrections, corrections.csv line 2")
    expect(row(page, "Song 2")).to_contain_text("features.csv line 2, logistic-regression")
    expect(row(page, "Song 7")).to_contain_text("no source knows this song")
    expect(row(page, f"Song {SONGS}")).to_contain_text("is a local file")
    assert (
        page.get_by_role("link", name="So <i>what").get_attribute("href") == f"https://open.spotify.com/track/{0:022d}"
    )
    page.fill("#song-search", "artist 7")
    expect(page.locator("#song-count")).to_have_text("1 of 9 songs")
    page.fill("#song-search", "")
    page.select_option("#song-genre-filter", "none")
    expect(page.locator("#song-count")).to_have_text("2 of 9 songs")
    page.select_option("#song-genre-filter", "")

    # By keyboard from row to row, also over one that cannot be moved.
    row(page, "Song 7").get_by_role("button", name="move").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "no genre"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.ariaLabel") == "Genre of Song 7: no genre; move"

    # Move one by hand, look, write.
    row(page, "Song 7").get_by_role("button", name="move").click()
    assert inspect(page) == []
    page.select_option("#song-mover-genre", label="another genre…")
    page.fill("#song-mover-own", "field recording")
    page.get_by_role("button", name="Move", exact=True).click()
    says(page, "Artist 7 - Song 7 is field recording from now on.")
    view = page.locator("#account-plan")
    view.get_by_role("button", name="None").click()
    for genre in ("jazz", "field recording"):
        view.get_by_label(genre).check()
    view.get_by_label("Name of new playlists").fill("My {genre}")
    view.get_by_role("button", name="Preview").click()
    expect(view.locator(".playlist", has_text="My field recording")).to_contain_text(
        "(new): 1 to add, 0 to remove, 0 kept"
    )
    view.get_by_text("To add: 1 song").click()
    expect(view.locator(".preview ol").first).to_have_text("Artist 7 - Song 7 (moved by hand)")
    assert fake.writes == 0
    assert inspect(page) == []
    view.get_by_role("button", name="Write this").click()
    expect(view.locator(".preview h3")).to_have_text("Written")
    assert page.evaluate("document.activeElement.className") == "preview"
    written = fake.library()
    assert written["My field recording"] == [uri(7)]
    assert {uri(0), uri(1)} <= set(written["My jazz"])
    assert set(written) == {"My jazz", "My field recording"}
    assert not any(playlist.public for playlist in fake.playlists.values())
    link = view.get_by_role("link", name="My jazz").get_attribute("href")
    assert link == f"https://open.spotify.com/playlist/{fake.named('My jazz').id}"

    # All is there again after a reload, and in another browser window; nothing is to be written again.
    for again in (page, other := visit.context.new_page()):
        again.goto(page.url)
        again.reload()
        expect(row(again, "Song 7")).to_contain_text("✎ field recording")
        expect(row(again, "So <i>what")).to_contain_text("your corrections")
        expect(again.locator("#source-features")).to_be_checked()
        expect(again.locator("#liked-line")).to_contain_text("My jazz")
    view.get_by_role("button", name="Preview").click()
    expect(view.locator(".playlist", has_text="My jazz")).to_contain_text("0 to remove")
    assert fake.library() == written

    # What one tab does is soon seen in the other.
    row(page, "Song 7").get_by_role("button", name="move").click()
    page.get_by_role("button", name="Take back").click()
    says(page, "Artist 7 - Song 7 has no genre now; find genres to ask the sources for it.")
    expect(row(other, "Song 7")).to_contain_text("no source knows this song", timeout=15000)
    other.close()

    view.get_by_role("button", name="Undo…").click()
    expect(view.locator(".preview")).to_contain_text("2 playlists made")
    view.get_by_role("button", name="Take this back").click()
    expect(view.locator(".preview h3")).to_have_text("Taken back")
    assert fake.library() == {}

    page.get_by_role("button", name="Disconnect…").click()
    assert inspect(page) == []
    page.get_by_role("button", name="Cancel").click()
    assert list((tmp_path / "state").rglob("token.json"))
    page.get_by_role("button", name="Disconnect…").click()
    page.get_by_role("button", name="Disconnect", exact=True).click()
    says(page, "Disconnected; token and songs are deleted from this machine.")
    expect(page.locator("#account")).to_be_hidden()
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert visit.said == []
    assert {urlsplit(url).hostname for url in visit.asked} == {"127.0.0.1"}


def test_what_is_wrong_is_told(visit: Visit, fake: FakeSpotify) -> None:
    page = visit.page
    fake.agrees = False
    page.get_by_label("Client ID").fill("my app")
    page.keyboard.press("Enter")
    expect(page.locator("#account-task .error")).to_contain_text("A client id has 32 digits and letters")
    page.get_by_label("Client ID").fill(CLIENT_ID)
    page.keyboard.press("Enter")
    expect(page.locator("#account-task .error")).to_contain_text("you declined")
    page.reload()
    expect(page.locator("#client-id")).to_be_visible()
    expect(page.locator("#account-task .error")).to_have_count(0)
    # By keyboard alone, as all of it.
    fake.agrees = True
    page.locator("#client-id").focus()
    page.keyboard.type(CLIENT_ID)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#account-name")).to_have_text("Connected as Ada")
    fake.access.clear()
    fake.refresh_tokens.clear()
    page.get_by_role("button", name="Read liked songs").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#account-task .error")).to_contain_text("Spotify no longer accepts this login")
    expect(page.get_by_label("Client ID")).to_be_visible()
    # A request that is refused is a line in the console; there is nothing else in it.
    assert all("Failed to load resource" in line for line in visit.said)
