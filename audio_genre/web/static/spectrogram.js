// The mel spectrogram of a file, as a drawing that is as wide as the strip below it.
import { make } from "./dom.js";

// Matplotlib's magma at even steps.
const STOPS = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];

function colour(level) {
  const place = (level / 255) * (STOPS.length - 1);
  const k = Math.min(STOPS.length - 2, Math.floor(place));
  return STOPS[k].map((value, c) => value + (STOPS[k + 1][c] - value) * (place - k));
}

const COLOURS = Array.from({ length: 256 }, (_, level) => colour(level));

export function spectrogram(picture) {
  const { bands, frames } = picture;
  const levels = Uint8Array.from(atob(picture.levels), (letter) => letter.charCodeAt(0));
  const canvas = make("canvas", { class: "spectrogram", width: String(frames), height: String(bands), role: "img",
    "aria-label": `Mel spectrogram: time from left to right, ${bands} bands from low to high, bright is loud` });
  const image = new ImageData(frames, bands);
  for (let band = 0; band < bands; band += 1) {
    for (let frame = 0; frame < frames; frame += 1) {
      // The lowest band is at the bottom.
      image.data.set([...COLOURS[levels[(bands - 1 - band) * frames + frame]], 255], 4 * (band * frames + frame));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
