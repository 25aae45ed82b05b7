"""The recipe in plain librosa calls, one or two a feature: slow, and the definition of every number.

The fast path in `audio_genre.dsp.matrix` is tested and benchmarked against this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audio_genre.dsp.gtzan57 import GTZAN57, Gtzan57

if TYPE_CHECKING:
    from numpy.typing import NDArray


def reference_features(y: NDArray[np.float32], recipe: Gtzan57 = GTZAN57) -> NDArray[np.float64]:
    """Compute one row of features with librosa.

    References
    ----------
    McFee et al., "librosa: Audio and music signal analysis in Python", SciPy 2015.
    Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010.
    """
    import librosa

    sr, n_fft, hop = recipe.sr, recipe.n_fft, recipe.hop_length
    D = librosa.stft(y, n_fft=n_fft, hop_length=hop, window=recipe.window, pad_mode=recipe.pad_mode)
    S = np.abs(D)
    P = S**2
    M = librosa.power_to_db(
        librosa.feature.melspectrogram(
            S=P, sr=sr, n_fft=n_fft, n_mels=recipe.n_mels, fmin=recipe.mel_fmin, fmax=recipe.mel_fmax
        ),
        ref=1.0,
        amin=recipe.amin,
        top_db=recipe.top_db,
    )
    harmonic, percussive = (
        librosa.util.fix_length(librosa.istft(part, hop_length=hop, window=recipe.window), size=len(y))
        for part in librosa.decompose.hpss(
            D, kernel_size=recipe.hpss_kernel, power=recipe.hpss_power, margin=recipe.hpss_margin
        )
    )
    onsets = librosa.onset.onset_strength(S=M, sr=sr, hop_length=hop, n_fft=n_fft, aggregate=np.median)
    # What librosa.beat.beat_track does before it looks for beats, with its constants as parameters.
    tempo = 0.0
    if onsets.any():
        tempo = librosa.feature.tempo(
            onset_envelope=onsets,
            sr=sr,
            hop_length=hop,
            start_bpm=recipe.tempo_start_bpm,
            std_bpm=recipe.tempo_std_octaves,
            max_tempo=recipe.tempo_max_bpm,
            ac_size=recipe.tempo_window_seconds,
        ).item()
    tuning = librosa.estimate_tuning(
        S=P,
        sr=sr,
        n_fft=n_fft,
        resolution=recipe.tuning_resolution,
        bins_per_octave=recipe.n_chroma,
        fmin=recipe.tuning_fmin,
        fmax=recipe.tuning_fmax,
        threshold=recipe.tuning_threshold,
    )
    pooled = (
        librosa.feature.chroma_stft(
            S=P,
            sr=sr,
            n_fft=n_fft,
            n_chroma=recipe.n_chroma,
            tuning=tuning,
            ctroct=recipe.chroma_centre_octave,
            octwidth=recipe.chroma_octave_width,
        ),
        librosa.feature.rms(y=y, frame_length=n_fft, hop_length=hop, pad_mode=recipe.pad_mode),
        librosa.feature.spectral_centroid(S=S, sr=sr, n_fft=n_fft),
        librosa.feature.spectral_bandwidth(S=S, sr=sr, n_fft=n_fft),
        librosa.feature.spectral_rolloff(S=S, sr=sr, n_fft=n_fft, roll_percent=recipe.roll_percent),
        librosa.feature.zero_crossing_rate(y, frame_length=n_fft, hop_length=hop, threshold=recipe.zero_threshold),
        harmonic,
        percussive,
    )
    values = [moment(values) for values in pooled for moment in (np.mean, np.var)]
    values.append(tempo)
    for coefficients in librosa.feature.mfcc(S=M, n_mfcc=recipe.n_mfcc):
        values += [np.mean(coefficients), np.var(coefficients)]
    return np.array(values, dtype=np.float64)


def float32_noise(row: NDArray[np.float64], recipe: Gtzan57 = GTZAN57) -> NDArray[np.float64]:
    """Return what librosa's own single-precision arithmetic leaves open in each feature of a row."""
    names = recipe.feature_names
    is_mfcc = np.char.startswith(names, "mfcc")
    is_var = np.char.endswith(names, "_var")
    deviation = np.sqrt(row[is_mfcc & is_var].max())
    noise = np.full(len(names), 1e-12)
    noise[is_mfcc] = 3e-7 * (np.abs(row[is_mfcc & ~is_var]).max() + deviation)
    noise[is_mfcc & is_var] *= 2 * deviation
    noise[[names.index("harmony_mean"), names.index("perceptr_mean")]] = 1e-7
    return noise
