// What is to be written: genres to keep, least confidence, a look at it before it is done, and the way back; any view
// may use it.
import { make } from "./dom.js";

const MOST_SHOWN = 200;
const ACTIONS = {
  write: ["would be written", "written"], keep: ["up to date", "up to date"], remove: ["would be removed", "removed"],
  refuse: ["left as it is: not written by audio-genre, or changed since", "left as it is: not written by audio-genre, or changed since"],
  restore: ["would be restored", "restored"],
};

const counted = (count, name) => `${count} ${name}${count === 1 ? "" : "s"}`;

// `run(kind, order)` does the work and returns its result, or null; `name(id)` says what a track is called; `options` are
// [key, label, is ticked].
export class Plan {
  constructor({ run, name, options }) {
    this.run = run;
    this.name = name;
    this.ticks = make("div", { class: "ticks" });
    this.least = make("input", { type: "number", id: "least", min: "0", max: "100", step: "5", value: "0", inputmode: "numeric" });
    this.options = options.map(([key, label, isTicked]) => [key, make("input", { type: "checkbox", checked: isTicked }), label]);
    this.result = make("div", { class: "preview" });
    this.apply = make("button", { type: "button", class: "main", hidden: true, onclick: () => this.#do("apply") }, "Write this");
    this.takeBack = make("button", { type: "button", class: "main", hidden: true, onclick: () => this.#do("undo") }, "Take this back");
    const all = (isTicked) => () => {
      for (const box of this.ticks.querySelectorAll("input")) box.checked = isTicked;
      this.#forget();
    };
    this.element = make("div", { class: "plan" },
      make("fieldset", {}, make("legend", {}, "Genres to keep"), this.ticks,
        make("p", { class: "buttons" }, make("button", { type: "button", onclick: all(true) }, "All"), make("button", { type: "button", onclick: all(false) }, "None"))),
      make("fieldset", {}, make("legend", {}, "What to write"),
        make("p", {}, make("label", { for: "least" }, "Least confidence "), this.least, " % (below it a genre is unknown)"),
        ...this.options.map(([, box, label]) => make("label", { class: "tick" }, box, label))),
      make("p", { class: "buttons" },
        make("button", { type: "button", onclick: () => this.#do("preview") }, "Preview"),
        make("button", { type: "button", onclick: () => this.#do("undo-preview") }, "Undo…")),
      this.result, make("p", { class: "buttons" }, this.apply, this.takeBack));
    this.element.addEventListener("change", () => this.#forget());
  }

  // Offers genres, [name, how many tracks]; what was ticked stays as it was.
  setGenres(genres) {
    const off = new Set([...this.ticks.querySelectorAll("input")].filter((box) => !box.checked).map((box) => box.value));
    this.ticks.replaceChildren(...genres.map(([genre, count]) => make("label", { class: "tick" },
      make("input", { type: "checkbox", value: genre, checked: !off.has(genre) }), `${genre} `, make("span", { class: "quiet" }, String(count)))));
  }

  order() {
    const boxes = [...this.ticks.querySelectorAll("input")];
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    return {
      genres: chosen.length === boxes.length ? null : chosen,
      min_confidence: Math.min(100, Math.max(0, Number(this.least.value) || 0)) / 100,
      ...Object.fromEntries(this.options.map(([key, box]) => [key, box.checked])),
    };
  }

  // A preview holds for what it was made of only.
  #forget() {
    this.result.replaceChildren();
    this.apply.hidden = this.takeBack.hidden = true;
  }

  async #do(kind) {
    const order = this.order();
    this.#forget();
    const found = await this.run(kind, order);
    if (!found) return;
    const isUndo = kind.startsWith("undo");
    this.result.replaceChildren(...(isUndo ? undoParts(found) : this.#parts(found)));
    this.apply.hidden = kind !== "preview";
    this.takeBack.hidden = kind !== "undo-preview";
  }

  #parts(found) {
    const list = found.playlists.map((each) => make("li", {}, `${each.path}: ${counted(each.tracks, "track")}, ${ACTIONS[each.action][found.applied ? 1 : 0]}`));
    const parts = [make("h3", {}, found.applied ? "Written" : "Preview: nothing is written yet")];
    if (list.length) parts.push(make("ul", {}, ...list));
    else parts.push(make("p", {}, "No playlists."));
    if (found.left_out) parts.push(make("p", {}, `${counted(found.left_out, "track")} left out: a playlist cannot hold such a name.`));
    if (found.tags) {
      const { written, unchanged, has_genre: other, refused, held_back: held } = found.tags;
      parts.push(make("p", {}, `Tags: ${counted(written, "file")} ${found.applied ? "written" : "would be written"}, ${unchanged} have this genre, ` +
        `${other} another one, ${refused} cannot be tagged${held ? `, ${held} held back because the confidence is too low` : ""}.`));
    }
    return [...parts, ...Object.entries(found.tracks).map(([genre, ids]) => this.#tracks(genre, ids))];
  }

  #tracks(genre, ids) {
    const box = make("details", {}, make("summary", {}, `${genre}: ${counted(ids.length, "track")}`));
    box.addEventListener("toggle", () => {
      if (!box.open || box.childElementCount > 1) return;
      const rest = ids.length > MOST_SHOWN ? make("p", { class: "quiet" }, `and ${ids.length - MOST_SHOWN} more`) : null;
      box.append(make("ol", {}, ...ids.slice(0, MOST_SHOWN).map((id) => make("li", {}, this.name(id)))), ...(rest ? [rest] : []));
    });
    return box;
  }
}

function undoParts(found) {
  const verb = found.applied ? "restored" : "would be restored";
  return [make("h3", {}, found.applied ? "Taken back" : "What would be taken back"),
    make("p", {}, `${counted(found.restored, "tagged file")} ${verb} to the byte${found.refused ? `, ${found.refused} left as they are because they were changed since` : ""}.`),
    make("ul", {}, ...found.playlists.map((each) => make("li", {}, `${each.path}: ${ACTIONS[each.action][found.applied ? 1 : 0]}`)))];
}
