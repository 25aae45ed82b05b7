"""Make the README's pictures from a finished demonstration.

    audio-genre demo && python imgs/make.py audio-genre-demo [MODEL]

The confusion matrix is that of MODEL, any folder that ``audio-genre train`` made, where one is named.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from audio_genre.dsp.picture import decode_picture
from audio_genre.evaluation.plots import confusion_matrix

HERE = Path(__file__).parent
SECONDS = 10


def main(demo: Path, model: Path | None = None) -> None:
    """Write the pictures beside this file."""
    styles_figure(demo / "features" / "images_original").savefig(HERE / "styles.png", dpi=110)
    if model is not None:
        confusion_matrix(model).savefig(HERE / "confusion.png", dpi=110)


def styles_figure(pictures: Path) -> Figure:
    """Show the first seconds of the first track of every style."""
    styles = sorted(folder for folder in pictures.iterdir() if folder.is_dir())
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    axes = figure.subplots(-(-len(styles) // 2), 2, sharex=True, sharey=True).ravel()
    for ax, style in zip(axes, styles, strict=True):
        mel_db, parameters = decode_picture(min(style.glob("*.png")).read_bytes())
        frames = SECONDS * parameters["sr"] // parameters["hop_length"]
        shown = mel_db[:, :frames] - parameters["db_max"]
        image = ax.imshow(shown, origin="lower", aspect="auto", cmap="magma", extent=(0, SECONDS, 0, len(mel_db)))
        ax.set_title(style.name, fontsize=10, loc="left")
        ax.set_yticks([0, 64, 128])
    figure.supxlabel("time (s)", fontsize=10)
    figure.supylabel("mel band", fontsize=10)
    figure.colorbar(image, ax=axes, label="dB below the maximum", shrink=0.6)
    return figure


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python imgs/make.py DEMO_DIR [MODEL]; audio-genre demo makes the former.")
    main(*map(Path, sys.argv[1:]))
