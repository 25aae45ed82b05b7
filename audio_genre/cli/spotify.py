"""``audio-genre spotify``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audio_genre.cli.console import (
    NOTHING_DONE,
    SOME_FAILED,
    ProgressLine,
    counted,
    guarded,
    print_json,
    printable,
    shown,
    table_lines,
    tell,
)
from audio_genre.errors import AccountError, ParameterError
from audio_genre.files.storage import why_foreign

if TYPE_CHECKING:
    from audio_genre.library.plan import Opinion
    from audio_genre.spotify import Account, Preview, Status, Undo

spotify = typer.Typer(
    name="spotify", help="Sort the liked songs of a Spotify account into playlists by genre.", no_args_is_help=True
)

_WAIT_SECONDS = 300.0
_PASTE_PORT = 8888
_WARN_DAYS = 14
_REASONS_SHOWN = 12

Json = Annotated[bool, typer.Option("--json", help="Print it as one JSON object.")]


@spotify.callback()
def _spotify() -> None:
    """Sort the liked songs of a Spotify account into playlists by genre."""


@spotify.command()
@guarded("stopped; nobody was logged in.")
def login(
    client_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Client id of your own Spotify app.", show_default="that of the last login"),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port that the browser comes back to; 0 takes any that is free.")
    ] = 0,
    public: Annotated[
        bool, typer.Option("--public", help="Also ask for permission to change public playlists.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only; open no browser.")] = False,
    paste: Annotated[
        bool,
        typer.Option(
            "--paste", help="Ask for the address that the browser came back to, where it runs on another machine."
        ),
    ] = False,
) -> None:
    """Log in with your own Spotify app, in the browser; see docs/spotify.md for how to make one."""
    from audio_genre.spotify import Account
    from audio_genre.spotify.loopback import HOST, Loopback

    account = Account()
    client_id = client_id or account.client_id()
    if client_id is None:
        raise ParameterError(
            "No client id is known; make an app at https://developer.spotify.com/dashboard (five steps, see "
            "docs/spotify.md), and give its id with --client-id ID."
        )
    if paste:
        url = account.begin_login(client_id, f"http://{HOST}:{port or _PASTE_PORT}/callback", public=public)
        typer.echo(f"Open this address, agree, and copy the address of the page that cannot be shown then:\n{url}")
        callback = _pasted(f"http://{HOST}")
    else:
        with Loopback(port) as loopback:
            url = account.begin_login(client_id, loopback.redirect_uri, public=public)
            typer.echo(f"Agree in the browser; if it does not open, go to:\n{url}")
            if not no_browser:
                import webbrowser

                webbrowser.open(url)
            callback = loopback.wait(_WAIT_SECONDS)
    for line in _status_lines(account.finish_login(callback)):
        typer.echo(printable(line))


@spotify.command()
@guarded()
def logout() -> None:
    """Delete the token and everything that is kept of the account on this machine; playlists stay in Spotify."""
    from audio_genre.spotify import Account

    account = Account()
    undoable = _undoable(account)
    was_there = account.logout()
    undo = "; what was written to playlists can no longer be undone" if undoable else ""
    told = f"Logged out: token and cached items are deleted{undo}."
    typer.echo(told if was_there else "Nobody was logged in; nothing is kept on this machine.")


@spotify.command()
@guarded()
def status(as_json: Json = False) -> None:
    """Tell who is logged in, and what is kept; nothing is sent."""
    account = _account()
    found = account.status()
    if as_json:
        print_json(
            {
                "connected": found.connected,
                "name": found.name,
                "days_left": found.days_left,
                "public": found.public,
                "liked": found.liked,
                "liked_complete": found.liked_complete,
                "playlists": list(found.playlists),
                "unfinished": found.unfinished,
                "undoable": found.undoable,
                "busy": found.busy,
                "folder": str(found.folder),
            }
        )
    else:
        for line in _status_lines(found, is_begun=account.client_id() is not None):
            typer.echo(printable(line))
    if not found.connected:
        raise typer.Exit(NOTHING_DONE)


@spotify.command()
@guarded("stopped; what was read is kept, run the same command again to go on.")
def liked(
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a table of the liked songs.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Read the liked songs; a second time only as far as they changed."""
    from audio_genre.spotify.songs import COLUMNS, cells_of, write_csv

    account = _account()
    _refuse_foreign(csv, COLUMNS, "liked")
    with ProgressLine("reading", "liked songs") as line:
        songs = account.read_liked(_Shown(line))
    if csv is not None:
        write_csv(csv, COLUMNS, map(cells_of, songs))
    reasons = Counter(song.skipped for song in songs if song.skipped)
    if as_json:
        from audio_genre.spotify.songs import as_dict

        print_json({"songs": list(map(as_dict, songs)), "skipped": dict(reasons)})
        return
    typer.echo(f"{counted(len(songs), 'liked song')}; {reasons.total()} cannot go to playlists.")
    for reason, count in reasons.most_common():
        typer.echo(f"  {counted(count, 'item')}: {reason}")
    if csv is not None:
        typer.echo(printable(f"Table: {shown(csv)}"))


@spotify.command()
@guarded("stopped; what was done is kept, run the same command again to go on.")
def playlists(
    corrections: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Your own genres: track_id, isrc or title and artists; genre."),
    ] = None,
    music: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Your audio files, matched by ISRC, or title, artist and duration."),
    ] = None,
    audio_model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Model that hears your files.", show_default="the one that comes with audio-genre"
        ),
    ] = None,
    features: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="A table of track features, such as Exportify's.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "-m", metavar="DIR", help="Model trained on tables of tracks, for --features and --reccobeats."
        ),
    ] = None,
    reccobeats: Annotated[
        bool,
        typer.Option("--reccobeats", help="Send the ids of songs to ReccoBeats, a third party, for their features."),
    ] = False,
    genres: Annotated[
        str | None, typer.Option(metavar="GENRE,...", help="Genres that get a playlist.", show_default="all")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Minimum confidence; below it the genre is unknown.")
    ] = 0.0,
    min_tracks: Annotated[int, typer.Option(min=1, metavar="N", help="Songs that a genre needs for a playlist.")] = 1,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of new playlists; {genre} stands for the genre.")
    ] = "{genre} (liked)",
    public: Annotated[bool, typer.Option("--public", help="Show new playlists on your profile.")] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove songs that this tool added and that do not belong there any more."),
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last run back.")] = False,
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Change the account, or only show what would change.")
    ] = False,
    list_songs: Annotated[bool, typer.Option("--list", help="Show where every song goes, and why.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a table of where every song goes; with other genres in it, it serves as --corrections.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Sort the liked songs into one playlist a genre: a preview, or with --apply the playlists.

    Genres come from the sources that are named, the first that knows a song is believed: --corrections, --music,
    --features, --reccobeats. Songs that no source knows, and those of unknown genre, go to no playlist. A second run
    changes only what is new. Songs that you added, and those that you took out, are left as they are.

    Exit status: 0 all done, 1 some of it could not be taken back, 2 nothing could be done, 130 stopped with Ctrl-C.
    """
    if undo:
        _refuse_with_undo(
            corrections=corrections, music=music, features=features, reccobeats=reccobeats, genres=genres,
            prune=prune, csv=csv, list=list_songs,
        )  # fmt: skip
        _undo(apply=apply, as_json=as_json)
        return
    from audio_genre.library.plan import Choice
    from audio_genre.library.records import Acceptance
    from audio_genre.spotify import Sources
    from audio_genre.spotify.target import Naming

    sources = Sources(corrections, music, audio_model, features, model, reccobeats)
    chosen = None if genres is None else tuple(part for part in map(str.strip, genres.split(",")) if part)
    choice = Choice(chosen, Acceptance(min_confidence), min_tracks)
    naming = Naming(name, public)
    _refuse_foreign(csv, _plan_columns(), "playlists")
    inputs = [each.resolve() for each in (corrections, features) if each is not None]
    if csv is not None and csv.resolve() in inputs:
        raise ParameterError(f"{csv} is read, and would be replaced; choose another --csv.")
    account = _account()
    with ProgressLine("reading", "liked songs") as line:
        account.read_liked(_Shown(line))
    with ProgressLine("finding genres", "songs") as line:
        opinions: dict[str, Opinion] = account.find_genres(sources, _Shown(line), min_confidence=min_confidence)
    if not opinions and sources == Sources():
        raise ParameterError(
            "No source of genres was named; name one of --corrections FILE, --music DIR, --features FILE with --model "
            "DIR, or --reccobeats with --model DIR."
        )
    with ProgressLine("writing" if apply else "comparing", "songs") as line:
        do = account.apply if apply else account.preview
        preview = do(opinions, choice, naming=naming, prune=prune, progress=_Shown(line))
    if csv is not None:
        _write_plan(csv, preview)
    if as_json:
        print_json(_as_json(preview))
    else:
        for text in _preview_lines(preview, list_songs=list_songs):
            typer.echo(printable(text))
        if csv is not None:
            typer.echo(printable(f"Table: {shown(csv)}"))
    if not preview.plan.playlists:
        raise typer.Exit(NOTHING_DONE)


class _Shown:
    """Shows how work on an account goes on a progress line."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line

    def __call__(self, done: int, total: int | None, what: str = "") -> None:
        self._line.update(done, total, what)

    def note(self, sentence: str) -> None:
        self._line.note(sentence)


def _account() -> Account:
    from audio_genre.spotify import Account

    account = Account()
    found = account.status()
    if found.days_left is not None and found.days_left < _WARN_DAYS:
        tell(f"This login ends in {counted(found.days_left, 'day')}; log in again with `audio-genre spotify login`.")
    return account


def _undoable(account: Account) -> bool:
    """Tell whether there is something to undo; a token or a database that is damaged does not tell."""
    try:
        return account.status().undoable
    except AccountError:
        return False


def _pasted(start: str) -> str:
    """Ask for the address that the browser came back to."""
    try:
        address = input("Address: ").strip()
    except EOFError:
        typer.echo()
        raise ParameterError(
            "No address was pasted: the input has ended; run the command in a terminal, or leave out --paste."
        ) from None
    if not address.startswith(start):
        raise ParameterError(
            f"{address[:60]!r} is no address that begins with {start}; copy the whole address of the page that could "
            "not be shown, and log in again."
        )
    return address


def _refuse_foreign(csv: Path | None, columns: Sequence[str], command: str) -> None:
    """Refuse to write a table where there is no folder, or over something that this command did not write."""
    if csv is None:
        return
    if not csv.absolute().parent.is_dir():
        raise ParameterError(
            f"{csv} cannot be written: there is no folder {csv.parent}; make it, or name another file."
        )
    head = (",".join(columns) + "\n").encode()
    if (reason := why_foreign(csv, (head,), f"a table that `spotify {command}` wrote")) is not None:
        raise ParameterError(f"{csv} {reason}; choose another --csv.")


def _refuse_with_undo(**options: Any) -> None:
    for name, value in options.items():
        if value:
            raise ParameterError(f"--undo only takes back what was written; leave out --{name}.")


def _undo(*, apply: bool, as_json: bool) -> None:
    with ProgressLine("taking back", "writes") as line:
        done = _account().undo(apply=apply, progress=_Shown(line))
    if as_json:
        print_json(
            {
                "started": done.started,
                "playlists_made": done.made,
                "added": done.added,
                "removed": done.removed,
                "applied": done.applied,
                "left": list(done.left),
            }
        )
    else:
        for line_of in _undo_lines(done):
            typer.echo(printable(line_of))
    if done.left:
        raise typer.Exit(SOME_FAILED)


def _undo_lines(done: Undo) -> list[str]:
    from audio_genre.spotify.account import time_of

    verb = "Took" if done.applied else "Would take"
    lines = [
        f"{verb} back the run of {time_of(done.started)}: {counted(done.added, 'song')} added, {done.removed} removed, "
        f"{counted(done.made, 'playlist')} made.",
        *done.left,
    ]
    return lines if done.applied else [*lines, "Nothing was changed in Spotify; run with --undo --apply to do it."]


def _status_lines(found: Status, *, is_begun: bool = False) -> list[str]:
    from audio_genre.spotify.account import time_of

    if not found.connected and is_begun:
        lines = ["The login was not finished; log in again with `audio-genre spotify login --client-id ID`."]
    elif not found.connected:
        lines = ["Nobody is logged in; log in with `audio-genre spotify login --client-id ID`."]
    else:
        lines = [f"Logged in as {found.name}, for {counted(found.days_left or 0, 'more day')}."]
    if found.busy:
        return [*lines, "A run is at work on the account."]
    if found.liked_read_at is not None:
        part = "" if found.liked_complete else ", not all of them yet"
        lines.append(f"{counted(found.liked, 'liked song')} kept, read {time_of(found.liked_read_at)}{part}.")
    if found.playlists:
        lines.append(f"{counted(len(found.playlists), 'playlist')}: {', '.join(found.playlists)}.")
    if found.unfinished:
        lines.append("A run ended early; the next one goes on with it.")
    return [*lines, f"Kept in {found.folder}."] if found.connected or found.liked else lines


def _preview_lines(preview: Preview, *, list_songs: bool) -> list[str]:
    from audio_genre.spotify.account import place_of

    lines = list(preview.notes)
    if list_songs:
        for decision in preview.plan.decisions:
            sure = "" if decision.confidence is None else f" {decision.confidence:.3f}"
            why = "; ".join(filter(None, (decision.source, decision.reason)))
            lines.append(f"{place_of(decision)}{sure}  {preview.songs[decision.key].name}{f' ({why})' if why else ''}")
    rows = [
        (
            item.name,
            str(len(preview.plan.playlists.get(item.genre, ()))),
            f"+{len(item.change.add)}",
            f"-{len(item.change.remove)}",
            "new" if item.is_new else "",
        )
        for item in preview.playlists
    ]
    if rows:
        lines += table_lines(("playlist", "songs", "add", "remove", ""), rows)
    counts = preview.plan.counts
    lines.append(
        f"{counted(len(preview.plan.decisions), 'liked song')}: {counts['playlist']} in playlists, {counts['unknown']} "
        f"unknown, {counts['no features']} without features, {counts['skipped']} skipped."
    )
    reasons = Counter(decision.reason or "" for decision in preview.plan.decisions if decision.place != "playlist")
    lines += [f"  {count}: {reason}" for reason, count in reasons.most_common(_REASONS_SHOWN)]
    if len(reasons) > _REASONS_SHOWN:
        lines.append(f"  and {len(reasons) - _REASONS_SHOWN} more reasons; --list shows that of every song")
    taken_out = sum(len(item.change.taken_out) for item in preview.playlists)
    stale = sum(len(item.change.stale) for item in preview.playlists)
    if taken_out:
        lines.append(f"{counted(taken_out, 'song')} that you took out of a playlist: not added again.")
    if stale:
        lines.append(
            f"{counted(stale, 'song')} in a playlist of another genre than now: left there; --prune removes them."
        )
    if not (preview.added or preview.removed):
        return [*lines, "There is nothing to change."]
    if preview.applied:
        lines += [f"{item.name}: {item.url}" for item in preview.playlists if item.is_new and item.url]
        return [*lines, f"{counted(preview.added, 'song')} added, {preview.removed} removed; --undo takes it back."]
    return [*lines, "Nothing was changed in Spotify; run with --apply to do it."]


def _plan_columns() -> list[str]:
    from audio_genre.spotify.songs import COLUMNS

    return [*COLUMNS[:-1], "place", "genre", "confidence", "source", "reason"]


def _write_plan(path: Path, preview: Preview) -> None:
    from audio_genre.spotify.songs import cells_of, write_csv

    rows = (
        [
            *cells_of(preview.songs[decision.key])[:-1],
            decision.place,
            decision.genre if decision.place == "playlist" else "",
            "" if decision.confidence is None else f"{decision.confidence:.6f}",
            decision.source,
            decision.reason or "",
        ]
        for decision in preview.plan.decisions
    )
    write_csv(path, _plan_columns(), rows)


def _as_json(preview: Preview) -> dict[str, Any]:
    from audio_genre.spotify.songs import as_dict

    return {
        "applied": preview.applied,
        "counts": dict(preview.plan.counts),
        "playlists": [
            {
                "genre": item.genre,
                "name": item.name,
                "url": item.url,
                "new": item.is_new,
                "songs": len(preview.plan.playlists.get(item.genre, ())),
                "add": list(item.change.add),
                "remove": list(item.change.remove),
                "stale": list(item.change.stale),
                "taken_out": list(item.change.taken_out),
            }
            for item in preview.playlists
        ],
        "songs": [
            {
                "uri": decision.key,
                **as_dict(preview.songs[decision.key]),
                "place": decision.place,
                "genre": decision.genre,
                "confidence": decision.confidence,
                "source": decision.source,
                "reason": decision.reason,
            }
            for decision in preview.plan.decisions
        ],
        "notes": list(preview.notes),
    }
