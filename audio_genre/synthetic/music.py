r"""The embedded demonstration data: ten synthetic styles, written from scratch, seeded, free of samples.

A style is data: a tempo range, chords, parts written in a small step notation and a drum pattern. One renderer plays
them all. Every track is a variation of its style (tempo, key, brightness, mix, missing parts, parts of a neighbouring
style, equaliser, noise floor, level), so that styles overlap as genres do.

The notation: a pattern is one bar, its length the number of steps in the bar (16 straight, 12 for a triplet feel).

====== ==========================================================
step   meaning
====== ==========================================================
0 .. 4 that tone of the chord: root, third, fifth, octave, tenth
c      the whole chord
p      root, fifth and octave
m      the next note of the motif, a melody drawn for each track
\-     the note goes on
.      rest
x, o   drums: a hit, a soft hit
====== ==========================================================
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import scipy.fft

from audio_genre.errors import AudioGenreError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Signal: TypeAlias = NDArray[np.float32]

_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_DORIAN = (0, 2, 3, 5, 7, 9, 10)
_MINOR = (0, 2, 3, 5, 7, 8, 10)
_CHORD_TONES = {"0": 0, "1": 2, "2": 4, "3": 7, "4": 9}
_WHOLE_CHORD = {"c": "012", "p": "023"}

_SECONDS_RANGE = (1.0, 300.0)
_SR_RANGE = (8000, 96000)
_PEAK = 0.95
_FADE_IN_SECONDS = 0.02
_FADE_OUT_SECONDS = 0.25
_TABLE_SIZE = 4096
_HARMONICS = 96
_PHRASE_BARS = 4
_SOFT_HIT = 0.45
_REST_CHANCE = 0.2
_MISSING_CHANCE = 0.25
_BORROW_CHANCE = 0.25
_DRUM_SEND = 0.08
_ROOM_CUTOFF = 3500.0
_RUMBLE = 30.0
_DB_PER_OCTAVE = 20 * math.log10(2)
_WIND_BANDWIDTH = 350.0


@dataclass(frozen=True)
class _Voice:
    """An instrument: how one note sounds; times in s, frequencies in Hz."""

    kind: str
    cutoff: float
    attack: float = 0.005
    decay: float = math.inf
    release: float = 0.05
    detune_cents: float = 0.0
    drive: float = 0.0


@dataclass(frozen=True)
class _Part:
    """What one voice plays in every bar."""

    voice: _Voice
    steps: str
    octave: int
    gain_db: float
    send: float
    essential: bool = False


@dataclass(frozen=True)
class _Drum:
    """A drum: a falling sine and a band of noise; times in s, frequencies in Hz."""

    tone: tuple[float, float] = (0.0, 0.0)
    tone_decay: float = 0.05
    tone_level: float = 0.0
    noise: tuple[float, float] = (500.0, 8000.0)
    noise_decay: float = 0.05
    noise_level: float = 0.0
    attack: float = 0.0008


@dataclass(frozen=True)
class _Style:
    """A style; the neighbour is the style whose drums or parts its tracks sometimes borrow."""

    tempo: tuple[float, float]
    scale: tuple[int, ...]
    progressions: tuple[tuple[int, ...], ...]
    parts: tuple[_Part, ...]
    neighbour: str
    drums: Mapping[str, str] = field(default_factory=dict)
    drum_gain_db: float = 0.0
    echo: float = 0.0
    reverb_seconds: float = 1.0
    duck: float = 0.0
    looseness: float = 0.0
    air: float = 9000.0


_DRUMS: Mapping[str, _Drum] = MappingProxyType(
    {
        "kick": _Drum(
            tone=(150, 46), tone_decay=0.16, tone_level=1.0, noise=(1000, 4000), noise_decay=0.006, noise_level=0.12
        ),
        "snare": _Drum(
            tone=(230, 180), tone_decay=0.07, tone_level=0.5, noise=(900, 7000), noise_decay=0.10, noise_level=0.45
        ),
        "clap": _Drum(noise=(900, 3800), noise_decay=0.09, noise_level=0.5, attack=0.006),
        "rim": _Drum(
            tone=(1700, 1650), tone_decay=0.018, tone_level=0.35, noise=(1500, 5000), noise_decay=0.01, noise_level=0.1
        ),
        "hat": _Drum(noise=(6000, 10500), noise_decay=0.025, noise_level=0.2),
        "open_hat": _Drum(noise=(5500, 10500), noise_decay=0.12, noise_level=0.18),
        "ride": _Drum(
            tone=(3900, 3880), tone_decay=0.2, tone_level=0.05, noise=(5000, 9500), noise_decay=0.14, noise_level=0.14
        ),
        "shaker": _Drum(noise=(3500, 8500), noise_decay=0.035, noise_level=0.14, attack=0.02),
    }
)


def _spectra() -> dict[str, NDArray[np.float64]]:
    number = np.arange(1, _HARMONICS + 1)
    organ = np.zeros(_HARMONICS)
    organ[[0, 1, 2, 3, 5, 7]] = 1.0, 0.7, 0.4, 0.3, 0.12, 0.1
    return {
        "saw": 1 / number,
        "square": np.where(number % 2, 1 / number, 0.0),
        "sine": np.where(number <= 3, 0.06 ** (number - 1.0), 0.0),
        "organ": organ,
    }


# Amplitudes of the harmonics of each wavetable.
_SPECTRA: Mapping[str, NDArray[np.float64]] = MappingProxyType(_spectra())
# Ratio of the modulator's frequency to the carrier's, and depth of the modulation in radians.
_FM: Mapping[str, tuple[float, float]] = MappingProxyType({"bell": (3.5, 1.6), "keys": (1.0, 1.3)})

_PAD = _Voice("saw", cutoff=900, attack=0.5, release=0.7, detune_cents=7)
_SLOW_PAD = replace(_PAD, attack=0.9, release=1.2)
_SOFT_PAD = _Voice("sine", cutoff=900, attack=0.4, release=0.6)
_DRONE = _Voice("organ", cutoff=300, attack=0.6, release=0.8)
_WHISTLE = _Voice("sine", cutoff=800, attack=0.3, release=0.8)
_WIND = _Voice("wind", cutoff=4500, attack=0.6, release=0.6)
_BELL = _Voice("bell", cutoff=2600, attack=0.002, decay=0.9, release=0.8)
_KEYS = _Voice("keys", cutoff=1800, attack=0.003, decay=0.5, release=0.15)
_ORGAN_STAB = _Voice("organ", cutoff=2400, decay=0.12, release=0.04)
_STRING = _Voice("string", cutoff=3000, attack=0.001, decay=0.4, release=0.25)
_DARK_STRING = replace(_STRING, cutoff=1500)
_UPRIGHT_BASS = replace(_STRING, cutoff=900, decay=0.22)
_SEQUENCE = _Voice("saw", cutoff=3400, decay=0.16, release=0.06, detune_cents=4)
_LOW_SAW = _Voice("saw", cutoff=700, decay=0.8)
_SAW_STAB = _Voice("saw", cutoff=2800, decay=0.2, detune_cents=8)
_SAW_BASS = _Voice("saw", cutoff=600, decay=0.3)
_ROUND_BASS = _Voice("saw", cutoff=350, decay=0.7, release=0.05)
_SQUARE_LEAD = _Voice("square", cutoff=2600, decay=0.3, release=0.05)
_SQUARE_BLIP = _Voice("square", cutoff=1800, decay=0.1, release=0.03)
_SQUARE_BASS = _Voice("square", cutoff=1100, decay=0.18, release=0.03)
_GUITAR = _Voice("saw", cutoff=1900, release=0.03, detune_cents=9, drive=0.9)
_GUITAR_LEAD = _Voice("square", cutoff=2600, attack=0.01, detune_cents=6, drive=1)
_GUITAR_BASS = _Voice("saw", cutoff=700, decay=0.5, drive=0.9)

_TABLE: Mapping[str, _Style] = MappingProxyType(
    {
        "arpeggio": _Style(
            tempo=(104, 134),
            scale=_MINOR,
            progressions=((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6)),
            parts=(
                _Part(_SEQUENCE, "0123432101234321", octave=4, gain_db=-6, send=0.5, essential=True),
                _Part(_LOW_SAW, "0-------0---0---", octave=2, gain_db=-8, send=0.05),
                _Part(_PAD, "c---------------", octave=4, gain_db=-20, send=0.5),
            ),
            drums={"kick": "x.......x.......", "hat": "..o...x...o...x."},
            drum_gain_db=-5,
            echo=0.45,
            neighbour="pulse",
        ),
        "bells": _Style(
            tempo=(66, 98),
            scale=_MAJOR,
            progressions=((0, 3, 0, 4), (0, 5, 3, 4), (3, 0, 4, 0)),
            parts=(
                _Part(_BELL, "m...m.m.....m...", octave=5, gain_db=-7, send=0.6, essential=True),
                _Part(_BELL, "0...2...1...3...", octave=4, gain_db=-12, send=0.6),
                _Part(_SOFT_PAD, "c---------------", octave=4, gain_db=-17, send=0.4),
            ),
            drums={"shaker": "..o...o...o...o."},
            drum_gain_db=-10,
            echo=0.2,
            reverb_seconds=2.2,
            looseness=0.012,
            neighbour="pluck",
        ),
        "blast": _Style(
            tempo=(146, 182),
            scale=_MINOR,
            progressions=((0, 0, 5, 6), (0, 2, 3, 1), (0, 6, 3, 5)),
            parts=(
                _Part(_GUITAR, "p-ppp-ppp-ppp-p-", octave=3, gain_db=-1, send=0.12, essential=True),
                _Part(_GUITAR_BASS, "0.0.0.0.0.0.0.0.", octave=2, gain_db=-11, send=0.03),
                _Part(_GUITAR_LEAD, "m---m-m-m---m---", octave=5, gain_db=-13, send=0.3),
            ),
            drums={"kick": "x.x.x.x.x.x.x.x.", "snare": "..x...x...x...x.", "ride": "x...x...x...x..."},
            drum_gain_db=-5,
            reverb_seconds=0.6,
            looseness=0.004,
            air=3800,
            neighbour="stomp",
        ),
        "hum": _Style(
            tempo=(50, 74),
            scale=_DORIAN,
            progressions=((0, 0, 3, 3), (0, 4, 0, 3), (0, 6, 0, 6)),
            parts=(
                _Part(_SLOW_PAD, "c---------------", octave=3, gain_db=-8, send=0.6, essential=True),
                _Part(_DRONE, "0---------------", octave=2, gain_db=-10, send=0.2),
                _Part(_WHISTLE, "m-------m---m---", octave=4, gain_db=-17, send=0.7),
            ),
            reverb_seconds=2.6,
            neighbour="sweep",
        ),
        "offbeat": _Style(
            tempo=(66, 90),
            scale=_MAJOR,
            progressions=((0, 3, 0, 4), (0, 4, 5, 3), (1, 4, 0, 0)),
            parts=(
                _Part(_ORGAN_STAB, "..c...c...c...c.", octave=4, gain_db=-8, send=0.35, essential=True),
                _Part(_ROUND_BASS, "0--.0-.2-.1-..2.", octave=2, gain_db=-4, send=0.02, essential=True),
                _Part(_KEYS, "m...m.....m.m...", octave=5, gain_db=-16, send=0.5),
            ),
            drums={"kick": "........x.......", "rim": "........x..o....", "hat": "x.o.x.o.x.o.x.o."},
            drum_gain_db=-4,
            echo=0.35,
            reverb_seconds=0.9,
            looseness=0.008,
            neighbour="shuffle",
        ),
        "pluck": _Style(
            tempo=(78, 118),
            scale=_MAJOR,
            progressions=((0, 4, 5, 3), (0, 3, 4, 4), (5, 3, 0, 4)),
            parts=(
                _Part(_STRING, "0.2.1.2.3.2.1.2.", octave=4, gain_db=-6, send=0.25, essential=True),
                _Part(_DARK_STRING, "0-------2-------", octave=3, gain_db=-7, send=0.15, essential=True),
                _Part(_STRING, "m...m...m.....m.", octave=5, gain_db=-12, send=0.35),
            ),
            drums={"shaker": "x.oox.oox.oox.oo"},
            drum_gain_db=-7,
            reverb_seconds=0.8,
            looseness=0.01,
            neighbour="bells",
        ),
        "pulse": _Style(
            tempo=(98, 128),
            scale=_MINOR,
            progressions=((0, 5, 6, 0), (0, 3, 6, 2), (0, 0, 5, 4)),
            parts=(
                _Part(_SQUARE_BASS, "0.0.0.0.0.0.3.2.", octave=2, gain_db=-5, send=0.03, essential=True),
                _Part(_SQUARE_LEAD, "m..m..m.m...m.m.", octave=5, gain_db=-11, send=0.3),
                _Part(_SQUARE_BLIP, "0120120101201201", octave=4, gain_db=-14, send=0.3),
            ),
            drums={"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "x.o.x.o.x.o.x.o."},
            drum_gain_db=-3,
            echo=0.25,
            reverb_seconds=0.7,
            neighbour="arpeggio",
        ),
        "shuffle": _Style(
            tempo=(92, 126),
            scale=_DORIAN,
            progressions=((0, 3, 0, 4), (1, 4, 0, 5), (0, 0, 3, 4)),
            parts=(
                _Part(_UPRIGHT_BASS, "0..1..2..3..", octave=2, gain_db=-2, send=0.05, essential=True),
                _Part(_KEYS, "..c.....c...", octave=4, gain_db=-10, send=0.25, essential=True),
                _Part(_KEYS, "m..m.m...m.m", octave=5, gain_db=-12, send=0.35),
            ),
            drums={"ride": "x..x.ox..x.o", "kick": "o.....o.....", "rim": "...x.....x.."},
            drum_gain_db=-5,
            reverb_seconds=1.0,
            looseness=0.012,
            neighbour="offbeat",
        ),
        "stomp": _Style(
            tempo=(116, 134),
            scale=_MINOR,
            progressions=((0, 5, 2, 6), (0, 0, 3, 4), (5, 6, 0, 0)),
            parts=(
                _Part(_SAW_STAB, "c..c..c...c..c..", octave=4, gain_db=-9, send=0.35),
                _Part(_SAW_BASS, "..0...0...0...0.", octave=2, gain_db=-7, send=0.03, essential=True),
                _Part(_PAD, "c---------------", octave=4, gain_db=-15, send=0.4),
            ),
            drums={
                "kick": "x...x...x...x...",
                "clap": "....x.......x...",
                "open_hat": "..x...x...x...x.",
                "hat": "o.o.o.o.o.o.o.o.",
            },
            duck=0.7,
            reverb_seconds=1.0,
            neighbour="pulse",
        ),
        "sweep": _Style(
            tempo=(58, 88),
            scale=_DORIAN,
            progressions=((0, 0, 3, 3), (0, 5, 0, 5), (0, 1, 0, 4)),
            parts=(
                _Part(_WIND, "0---------------", octave=4, gain_db=-8, send=0.4, essential=True),
                _Part(_PAD, "c---------------", octave=3, gain_db=-11, send=0.5, essential=True),
                _Part(_BELL, "....m.......m...", octave=5, gain_db=-20, send=0.8),
            ),
            drums={"kick": "x.........o....."},
            drum_gain_db=-8,
            echo=0.3,
            reverb_seconds=2.2,
            neighbour="hum",
        ),
    }
)

STYLES: tuple[str, ...] = tuple(_TABLE)
"""Names of the styles, in alphabetical order; they name a sound, not a genre."""


def synthesize(style: str, *, index: int = 0, seconds: float = 30.0, sr: int = 22050, seed: int = 0) -> Signal:
    """Synthesise one track of a style.

    The track depends on the arguments alone, not on what was synthesised before.

    Examples
    --------
    >>> y = synthesize("pluck", index=3, seconds=2)
    >>> y.shape, y.dtype
    ((44100,), dtype('float32'))
    """
    _check_track(style, index, seconds, sr, seed)
    # The name rather than its place in the table, so that a style added later changes no other.
    rng = np.random.default_rng([seed, index, *style.encode()])
    return _Renderer(_vary(style, rng), rng, round(seconds * sr), sr).render()


def write_dataset(
    folder: str | os.PathLike[str],
    *,
    tracks_per_style: int = 12,
    seconds: float = 30.0,
    sr: int = 22050,
    seed: int = 0,
    styles: Sequence[str] = STYLES,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Synthesise a data set into one folder per style, laid out and named as GTZAN is.

    Tracks are written as ``<folder>/<style>/<style>.00000.wav``, 16 bit. Each appears complete or not at all; one that
    exists is replaced.

    Examples
    --------
    >>> import tempfile
    >>> paths = write_dataset(tempfile.mkdtemp(), tracks_per_style=1, seconds=1, styles=["hum", "stomp"])
    >>> [path.name for path in paths]
    ['hum.00000.wav', 'stomp.00000.wav']
    """
    _check_integer("number of tracks per style", tracks_per_style, 1, 100_000)
    for style in styles:
        _check_track(style, 0, seconds, sr, seed)
    total = len(styles) * tracks_per_style
    paths: list[Path] = []
    for style in styles:
        for index in range(tracks_per_style):
            path = Path(folder, style, f"{style}.{index:05d}.wav")
            _write_wav(path, synthesize(style, index=index, seconds=seconds, sr=sr, seed=seed), sr)
            paths.append(path)
            if progress is not None:
                progress(len(paths), total)
    return paths


def _check_track(style: str, index: int, seconds: float, sr: int, seed: int) -> None:
    if style not in _TABLE:
        raise ParameterError(f"The style {style!r} is unknown; choose one of {', '.join(STYLES)}.")
    low, high = _SECONDS_RANGE
    # The comparison also refuses NaN.
    if not low <= seconds <= high:
        raise ParameterError(f"A track of {seconds} s is not possible; choose a length from {low:g} to {high:g} s.")
    _check_integer("sampling rate in Hz", sr, *_SR_RANGE)
    _check_integer("track index", index, 0, 2**32 - 1)
    _check_integer("seed", seed, 0, 2**64 - 1)


def _check_integer(what: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise ParameterError(f"The {what} cannot be {value!r}; choose an integer from {low} to {high}.")


def _write_wav(path: Path, y: Signal, sr: int) -> None:
    import soundfile

    encoded = io.BytesIO()
    soundfile.write(encoded, y, sr, format="WAV", subtype="PCM_16")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(encoded.getbuffer())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise AudioGenreError(
            f"{path} cannot be written: {error.strerror}; choose a folder that can be written to and has space left."
        ) from error


@dataclass(frozen=True)
class _Take:
    """One track's variation of its style."""

    style: _Style
    tempo: float
    key: int
    progression: tuple[int, ...]
    motif: tuple[int, ...]
    brightness: float
    tilt_db: float
    reverb: float
    drum_tuning: float
    noise_db: float
    level_db: float


def _vary(name: str, rng: np.random.Generator) -> _Take:
    style = _TABLE[name]
    neighbour = _TABLE[style.neighbour]
    if rng.random() < _BORROW_CHANCE:
        style = replace(style, tempo=neighbour.tempo, drums=neighbour.drums, drum_gain_db=neighbour.drum_gain_db)
    if rng.random() < _BORROW_CHANCE:
        borrowed = neighbour.parts[rng.integers(len(neighbour.parts))]
        style = replace(style, parts=(*style.parts, borrowed))
    parts = tuple(
        replace(part, gain_db=part.gain_db + rng.normal(0, 2.5))
        for part in style.parts
        if part.essential or rng.random() >= _MISSING_CHANCE
    )
    drums = {
        drum: steps for drum, steps in style.drums.items() if drum == "kick" or rng.random() >= _MISSING_CHANCE / 2
    }
    return _Take(
        style=replace(style, parts=parts, drums=drums, drum_gain_db=style.drum_gain_db + rng.normal(0, 2.5)),
        tempo=rng.uniform(*style.tempo),
        key=int(rng.integers(-5, 7)),
        progression=style.progressions[rng.integers(len(style.progressions))],
        motif=_draw_motif(rng),
        brightness=float(np.exp(rng.normal(0, 0.3))),
        tilt_db=rng.normal(0, 1.2),
        reverb=rng.uniform(0.5, 1.6),
        drum_tuning=rng.uniform(0.85, 1.2),
        noise_db=rng.uniform(-66, -44),
        level_db=rng.uniform(-24, -17),
    )


def _draw_motif(rng: np.random.Generator) -> tuple[int, ...]:
    """Draw a walk of scale steps above the chord's root that comes to rest on chord tones."""
    degree, motif = 4, []
    for count in range(8):
        degree = int(np.clip(degree + rng.choice((-2, -1, 1, 2)), 0, 7))
        motif.append(degree if count % 2 else min((0, 2, 4, 7), key=lambda tone: abs(tone - degree)))
    return tuple(motif)


class _Renderer:
    """Plays a take: each note and drum is rendered once and placed wherever it sounds."""

    def __init__(self, take: _Take, rng: np.random.Generator, n: int, sr: int) -> None:
        self.take = take
        self.rng = rng
        self.n = n
        self.sr = sr
        self.bar = 4 * 60 / take.tempo * sr
        self.bars = math.ceil(n / self.bar)

    def render(self) -> Signal:
        style = self.take.style
        dry = np.zeros(self.n, dtype=np.float32)
        send = np.zeros(self.n, dtype=np.float32)
        for part in style.parts:
            played = self._play(part)
            dry += played
            send += part.send * played
        if style.echo:
            self._add_echo(send)
        drums = self._play_drums()
        if style.duck and "kick" in style.drums:
            ducking = self._ducking()
            dry *= ducking
            send *= ducking
        dry += drums
        send += _DRUM_SEND * drums
        return self._finish(self._mix(dry, send))

    def _play(self, part: _Part) -> Signal:
        track = np.zeros(self.n, dtype=np.float32)
        steps = _read_steps(part.steps)
        step = self.bar / len(part.steps)
        silent = self._silent_bars(not part.essential)
        notes: dict[tuple[int, int], Signal] = {}
        for bar in range(self.bars):
            if silent[bar]:
                continue
            # The motif spans two bars, then repeats.
            motif_place = bar % 2 * part.steps.count("m")
            for at, symbol, length in steps:
                start = self._loosen(bar * self.bar + at * step)
                accent = self.rng.uniform(0.75, 1.0)
                for degree in self._degrees(bar, symbol, motif_place):
                    pitch = self._pitch(degree, part.octave)
                    if (pitch, length) not in notes:
                        notes[pitch, length] = self._note(part.voice, pitch, round(length * step))
                    _add(track, notes[pitch, length], start, accent)
                motif_place += symbol == "m"
        if part.voice.drive:
            np.tanh(track * part.voice.drive, out=track)
        track *= _amplitude(part.gain_db)
        return track

    def _play_drums(self) -> Signal:
        track = np.zeros(self.n, dtype=np.float32)
        for name, pattern in self.take.style.drums.items():
            hit = self._drum_hit(_DRUMS[name])
            silent = self._silent_bars(name != "kick")
            step = self.bar / len(pattern)
            for bar in range(self.bars):
                if silent[bar]:
                    continue
                for at, symbol, _ in _read_steps(pattern):
                    accent = self.rng.uniform(0.8, 1.0) * (_SOFT_HIT if symbol == "o" else 1.0)
                    _add(track, hit, self._loosen(bar * self.bar + at * step), accent)
        track *= _amplitude(self.take.style.drum_gain_db)
        return track

    def _silent_bars(self, may_rest: bool) -> NDArray[np.bool_]:
        """Tell which bars a part leaves out: it rests for whole phrases."""
        phrases = -(-self.bars // _PHRASE_BARS)
        resting = self.rng.random(phrases) < (_REST_CHANCE if may_rest else 0.0)
        return np.repeat(resting, _PHRASE_BARS)

    def _loosen(self, start: float) -> int:
        return max(0, round(start + self.rng.normal(0, self.take.style.looseness) * self.sr))

    def _degrees(self, bar: int, symbol: str, motif_place: int) -> list[int]:
        root = self.take.progression[bar % len(self.take.progression)]
        if symbol == "m":
            return [root + self.take.motif[motif_place % len(self.take.motif)]]
        return [root + _CHORD_TONES[tone] for tone in _WHOLE_CHORD.get(symbol, symbol)]

    def _pitch(self, degree: int, octave: int) -> int:
        scale = self.take.style.scale
        return 12 * (octave + 1 + degree // 7) + scale[degree % 7] + self.take.key

    def _note(self, voice: _Voice, pitch: int, n_held: int) -> Signal:
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        n_release = round(voice.release * self.sr)
        n = n_held + n_release
        cutoff = voice.cutoff * self.take.brightness
        if voice.kind in _SPECTRA:
            y = self._wavetable(voice, frequency, cutoff, n)
        elif voice.kind in _FM:
            y = self._fm(voice, frequency, cutoff, n)
        elif voice.kind == "string":
            y = self._string(voice, frequency, cutoff, n)
        else:
            y = self._wind(cutoff, n)
        y *= np.minimum(1, self._times(n) / voice.attack)
        y[n_held:] *= np.linspace(1, 0, n_release, dtype=np.float32) ** 2
        return y

    def _wavetable(self, voice: _Voice, frequency: float, cutoff: float, n: int) -> Signal:
        """Read a bright and a dark single cycle and fade between them, as a filter envelope does."""
        bright, dark = (_single_cycle(voice.kind, frequency, c, self.sr) for c in (cutoff, cutoff / 3))
        if math.isinf(voice.decay):
            loudness = np.ones(n, dtype=np.float32)
            openness = np.sin(np.linspace(0, np.pi, n, dtype=np.float32))
        else:
            loudness = np.exp(-self._times(n) / voice.decay)
            openness = loudness**2
        y = np.zeros(n, dtype=np.float32)
        for cents in (-voice.detune_cents, voice.detune_cents):
            per_sample = _TABLE_SIZE * frequency * 2 ** (cents / 1200) / self.sr
            place = (np.arange(n) * per_sample).astype(np.int64) & (_TABLE_SIZE - 1)
            y += dark[place] + openness * (bright - dark)[place]
        y *= loudness
        return y

    def _fm(self, voice: _Voice, frequency: float, cutoff: float, n: int) -> Signal:
        """Modulate a sine's phase by another sine that fades faster than the note."""
        ratio, depth = _FM[voice.kind]
        # A modulator above the cut-off would alias.
        depth *= min(1.0, cutoff / (frequency * ratio))
        radians = np.arange(n) * (2 * np.pi * frequency / self.sr)
        fading = np.exp(-self._times(n) / voice.decay)
        y: Signal = np.sin(radians + depth * fading * np.sin(radians * ratio)).astype(np.float32)
        y *= math.sqrt(2) * fading
        return y

    def _string(self, voice: _Voice, frequency: float, cutoff: float, n: int) -> Signal:
        """Karplus and Strong's plucked string: a noise burst in a damped delay loop."""
        period = self.sr / frequency
        lag = int(period) - 1
        fraction = period - 1 - lag
        damping = 0.2 * min(1.0, 3000 / cutoff)
        loss = math.exp(-1 / (voice.decay * frequency))
        # The smoothing is late by one sample and the interpolation by the fraction: with the lag, one exact period.
        taps = np.convolve((damping, 1 - 2 * damping, damping), (1 - fraction, fraction)).astype(np.float32)
        taps *= loss
        memory = lag + len(taps) - 1
        y = np.zeros(memory + n, dtype=np.float32)
        burst = self._band_noise(memory, 20, cutoff)
        y[:memory] = burst - burst.mean()
        for start in range(memory, memory + n, lag):
            stop = min(start + lag, memory + n)
            y[start:stop] = np.convolve(y[start - memory : stop - lag], taps, "valid")
        return y[memory:]

    def _wind(self, cutoff: float, n: int) -> Signal:
        """Noise whose band rises to the cut-off and falls again."""
        band = self._band_noise(n, 0, _WIND_BANDWIDTH) + 1j * self._band_noise(n, 0, _WIND_BANDWIDTH)
        centre = cutoff * 12 ** (np.sin(np.linspace(0, np.pi, n)) ** 2 - 1)
        turns = np.cumsum(centre) / self.sr
        y: Signal = (band * np.exp(2j * np.pi * turns)).real.astype(np.float32)
        return y

    def _drum_hit(self, drum: _Drum) -> Signal:
        tuning = self.take.drum_tuning
        seconds = drum.attack + 6 * max(drum.tone_decay * (drum.tone_level > 0), drum.noise_decay)
        t = self._times(round(seconds * self.sr))
        start, end = drum.tone
        falling = end + (start - end) * np.exp(-t / 0.03)
        tone = np.sin(2 * np.pi * tuning * np.cumsum(falling) / self.sr) * np.exp(-t / drum.tone_decay)
        low, high = drum.noise
        noise = self._band_noise(len(t), low * tuning, high * tuning) * np.exp(-t / drum.noise_decay)
        hit: Signal = (drum.tone_level * tone + drum.noise_level * noise).astype(np.float32)
        hit *= np.minimum(1, t / drum.attack)
        return hit

    def _band_noise(self, n: int, low: float, high: float) -> Signal:
        """Return noise of unit RMS between two frequencies, kept below half the sampling rate."""
        size = scipy.fft.next_fast_len(n, real=True)
        spectrum = scipy.fft.rfft(self.rng.standard_normal(size, dtype=np.float32))
        f = scipy.fft.rfftfreq(size, 1 / self.sr)
        high = min(high, 0.48 * self.sr)
        low = min(low, high / 2)
        # Soft edges, or the noise rings.
        spectrum *= 1 / (1 + (f / high) ** 8) / (1 + (low / np.maximum(f, 1)) ** 4)
        y: Signal = scipy.fft.irfft(spectrum, size)[:n].astype(np.float32)
        return y / _rms(y)

    def _times(self, n: int) -> Signal:
        return np.arange(n, dtype=np.float32) / np.float32(self.sr)

    def _ducking(self) -> Signal:
        """Return the gain that makes room for each kick."""
        n_dip = round(0.35 * self.bar / 4)
        dip = np.linspace(1, 0, n_dip, dtype=np.float32) ** 2
        # Not at once, which would click.
        dip *= np.minimum(1, self._times(n_dip) / 0.005)
        dips = np.zeros(self.n, dtype=np.float32)
        pattern = self.take.style.drums["kick"]
        for bar in range(self.bars):
            for at, _, _ in _read_steps(pattern):
                _add(dips, dip, round((bar + at / len(pattern)) * self.bar), 1.0)
        return np.float32(1) - np.float32(self.take.style.duck) * np.minimum(dips, np.float32(1))

    def _add_echo(self, send: Signal) -> None:
        """Add three fading repeats, a dotted eighth note apart."""
        delay = round(self.bar * 3 / 16)
        source = send.copy()
        for repeat in (1, 2, 3):
            _add(send, source, repeat * delay, self.take.style.echo**repeat)

    def _mix(self, dry: Signal, send: Signal) -> Signal:
        """Add noise floor and reverb, and equalise, all at once on the spectrum."""
        take, sr = self.take, self.sr
        floor = self.rng.standard_normal(self.n, dtype=np.float32)
        floor *= _rms(dry) * _amplitude(take.noise_db)
        dry += floor
        seconds = take.style.reverb_seconds * take.reverb
        n_tail = round(seconds * sr)
        tail = self.rng.standard_normal(n_tail, dtype=np.float32)
        tail *= np.exp(np.linspace(0, math.log(1e-3), n_tail, dtype=np.float32))
        # Of unit energy, so that a longer reverberation is no louder.
        tail /= float(np.linalg.norm(tail))
        size = scipy.fft.next_fast_len(self.n + n_tail, real=True)
        f = scipy.fft.rfftfreq(size, 1 / sr).astype(np.float32)
        room = scipy.fft.rfft(tail, size) / (1 + (f / _ROOM_CUTOFF) ** 2)
        spectrum = scipy.fft.rfft(dry, size) + room * scipy.fft.rfft(send, size)
        # Keep out DC and rumble, soften the treble, tilt the whole around 1 kHz.
        spectrum *= f**4 / (f**4 + _RUMBLE**4)
        spectrum /= 1 + (f / (take.style.air * take.brightness)) ** 2
        spectrum *= (np.maximum(f, 50) / 1000) ** (take.tilt_db / _DB_PER_OCTAVE)
        y: Signal = scipy.fft.irfft(spectrum, size)[: self.n].astype(np.float32, copy=False)
        return y

    def _finish(self, y: Signal) -> Signal:
        """Fade in and out, and set the level below full scale."""
        n_in = round(_FADE_IN_SECONDS * self.sr)
        n_out = round(_FADE_OUT_SECONDS * self.sr)
        y[:n_in] *= np.linspace(0, 1, n_in, dtype=np.float32)
        y[-n_out:] *= np.linspace(1, 0, n_out, dtype=np.float32)
        peak = float(np.abs(y).max())
        y *= min(_amplitude(self.take.level_db) / _rms(y), _PEAK / peak)
        return y


def _read_steps(steps: str) -> list[tuple[int, str, int]]:
    """Return place, symbol and length, in steps, of each event in a pattern."""
    events = []
    for place, symbol in enumerate(steps):
        if symbol not in ".-":
            rest = steps[place + 1 :]
            events.append((place, symbol, 1 + len(rest) - len(rest.lstrip("-"))))
    return events


def _single_cycle(kind: str, frequency: float, cutoff: float, sr: int) -> Signal:
    """Return one cycle of unit RMS, low-passed at 12 dB per octave and without harmonics that alias."""
    number = np.arange(1, _HARMONICS + 1)
    amplitudes = _SPECTRA[kind] / (1 + (number * frequency / cutoff) ** 2)
    amplitudes[(number > 1) & (number * frequency > 0.45 * sr)] = 0
    spectrum = np.zeros(_TABLE_SIZE // 2 + 1, dtype=np.complex64)
    spectrum[1 : _HARMONICS + 1] = -1j * amplitudes
    cycle: Signal = scipy.fft.irfft(spectrum)
    return cycle / _rms(cycle)


def _add(track: Signal, sound: Signal, start: int, gain: float) -> None:
    """Add a sound to a track from a sample on; what lies beyond the end is left out."""
    room = max(0, len(track) - start)
    track[start : start + len(sound)] += sound[:room] * gain


def _amplitude(db: float) -> float:
    return math.pow(10, db / 20)


def _rms(y: Signal) -> float:
    return math.sqrt(np.square(y).mean(dtype=np.float64))
