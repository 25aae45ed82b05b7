// One player for all rows of a table.
import { make } from "./dom.js";

const TYPES = {
  wav: "audio/wav", mp3: "audio/mpeg", flac: "audio/flac", ogg: "audio/ogg", oga: "audio/ogg", opus: "audio/ogg; codecs=opus",
  m4a: "audio/mp4", mp4: "audio/mp4", aac: "audio/aac", webm: "audio/webm", weba: "audio/webm",
};
const known = new Map();

// Whether this browser plays a file, as far as its name tells.
export function playable(path) {
  const suffix = path.split(".").at(-1).toLowerCase();
  if (!known.has(suffix)) known.set(suffix, suffix in TYPES && document.createElement("audio").canPlayType(TYPES[suffix]) !== "");
  return known.get(suffix);
}

export class Player {
  // `changed(row)` is told of the rows whose state changed.
  constructor(changed) {
    this.changed = changed;
    this.row = null;
    this.title = make("p", { role: "status" });
    this.audio = make("audio", { controls: true, preload: "metadata", "aria-label": "Player" });
    this.element = make("div", { class: "player", hidden: true }, this.title, this.audio);
    for (const name of ["play", "pause", "ended"]) this.audio.addEventListener(name, () => this.row && this.changed(this.row));
    this.audio.addEventListener("error", () => {
      if (this.row) this.title.textContent = `${this.name} cannot be played.`;
    });
  }

  isPlaying(row) {
    return this.row?.id === row.id && !this.audio.paused;
  }

  async toggle(row, address, name) {
    if (this.isPlaying(row)) {
      this.audio.pause();
      return;
    }
    if (this.row?.id !== row.id) {
      const former = this.row;
      Object.assign(this, { row, name });
      this.audio.src = address;
      this.title.textContent = name;
      this.element.hidden = false;
      if (former) this.changed(former);
    }
    // The error event says what is wrong, and another choice in the meantime is no error.
    await this.audio.play().catch(() => {});
  }
}
