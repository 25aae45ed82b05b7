"""The recipe ``gtzan57-v1``, the 57 features of the public GTZAN tables, and what other parameters make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audio_genre.dsp.parameters import BASE, DEFAULTS, SpectralParameters
from audio_genre.dsp.recipe import Recipe
from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audio_genre.dsp.recipe import WindowFeatures


class Gtzan57(SpectralParameters, Recipe):
    """The recipe ``gtzan57-v1``, or one with other parameters, each of which is written out.

    Attributes
    ----------
    name : str
        Name and version, such as ``"gtzan57-v1"``; tables, pictures and bundles record it.
    sr : int
        Sampling rate in Hz that every signal is resampled to.
    n_fft, hop_length : int
        Length and hop of the short-time Fourier transform (STFT), in samples.
    window : str
        Window of the STFT; periodic.
    pad_mode : str
        How the signal is continued beyond its ends, for centred frames.
    n_mels, n_mfcc, n_chroma : int
        Bands of the mel spectrogram, mel-frequency cepstral coefficients, pitch classes.
    top_db : float
        Dynamic range kept of the mel spectrogram, in dB below its maximum.
    amin : float
        Smallest power that is told from silence.
    roll_percent : float
        Share of the magnitude below the roll-off frequency.
    hpss_kernel : int
        Length of both median filters of the harmonic-percussive separation, in frames or bins.
    hpss_power, hpss_margin : float
        Exponent and margin of the separation's soft masks.
    mel_fmin, mel_fmax : float
        Edges of the mel filter bank in Hz (Slaney's scale and area normalisation).
    chroma_centre_octave, chroma_octave_width : float
        Centre (octaves above A0 = 27.5 Hz) and width (octaves) of the Gaussian weight of the chroma filter bank.
    tuning_resolution : float
        Resolution of the tuning estimate, in fractions of a semitone.
    tuning_fmin, tuning_fmax : float
        Range of the spectral peaks that the tuning is estimated from, in Hz.
    tuning_threshold : float
        Smallest power of such a peak, as a share of the frame's maximum.
    zero_threshold : float
        Samples of no greater magnitude count as zero, and as positive, in the zero-crossing rate.
    tempo_start_bpm, tempo_std_octaves, tempo_max_bpm : float
        Centre (BPM), width (octaves) and upper limit (BPM) of the tempo prior.
    tempo_window_seconds : float
        Length of the onset autocorrelation window.
    clip_seconds, segment_seconds : int
        Length of the windows behind one row of the "30-s" and of the "3-s" table.

    Raises
    ------
    ParameterError
        If a parameter has a value that nothing here implements, or the name is not the one that belongs to the
        parameters: `derive` gives a changed recipe its name.

    Examples
    --------
    >>> from audio_genre.dsp import GTZAN57
    >>> len(GTZAN57.feature_names), GTZAN57.feature_names[:2]
    (57, ('chroma_stft_mean', 'chroma_stft_var'))
    """

    def derive_named(self, changes: str) -> Gtzan57:
        """Return this recipe with the changes that stand in brackets in a name, such as ``"n_fft=4096"``."""
        pairs = (part.partition("=") for part in changes.split(","))
        try:
            values = {key: type(DEFAULTS[key])(value) for key, _, value in pairs}
        except (KeyError, ValueError):
            raise ParameterError(
                f"The recipe {f'{self.name}[{changes[:60]}]'!r} is unknown: brackets hold parameters with values, "
                "such as n_fft=4096."
            ) from None
        return self.derive(**values)

    @property
    def pictures(self) -> Gtzan57:
        """Its mel spectrogram is drawn."""
        return self

    def rows(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the features of signals, each from one STFT."""
        from audio_genre.dsp.spectral import feature_matrix

        return feature_matrix(signals, self)

    def window_features(self, y: NDArray[np.float32]) -> WindowFeatures:
        """Compute the features of a window and of its segments, and its mel spectrogram."""
        from audio_genre.dsp.spectral import window_features

        return window_features(y, self)


GTZAN57 = Gtzan57(name=BASE)
"""The 57 features of the public GTZAN tables."""
