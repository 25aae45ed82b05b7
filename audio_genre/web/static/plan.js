// What is to be written: genres to keep, minimum confidence, a look at it before it is done, and the way back; any view
// may use it.
import { make } from "./dom.js";

const MOST_SHOWN = 200;

export const counted = (count, name) => `${count} ${name}${count === 1 ? "" : "s"}`;

// A list of tracks that is filled when it is opened; `items(k)` are what one entry is made of.
export function trackList(title, count, item) {
  const box = make("details", {}, make("summary", {}, title));
  box.addEventListener("toggle", () => {
    if (!box.open || box.childElementCount > 1) return;
    const shown = Math.min(count, MOST_SHOWN);
    box.append(make("ol", {}, ...Array.from({ length: shown }, (_, k) => make("li", {}, item(k)))));
    if (count > shown) box.append(make("p", { class: "quiet" }, `and ${count - shown} more`));
  });
  return box;
}

// Options of a plan: what is shown, and how it is read.
export function tick(key, label, isTicked = false) {
  const box = make("input", { type: "checkbox", checked: isTicked });
  return { key, element: make("label", { class: "tick" }, box, label), read: () => box.checked, box };
}

export function field(key, label, input, read) {
  input.id = `plan-${key}`;
  return { key, element: make("p", {}, make("label", { for: input.id }, `${label} `), input), read: () => read(input.value), input };
}

// `run(kind, order)` does the work and returns its result, or null; `written(found)` and `takenBack(found)` are what is
// shown of it.
export class Plan {
  constructor({ prefix = "", run, written, takenBack, options }) {
    Object.assign(this, { run, written, takenBack, options });
    this.ticks = make("div", { class: "ticks" });
    this.minimum = make("input", { type: "number", id: `${prefix}minimum`, min: "0", max: "100", step: "5", value: "0", inputmode: "numeric" });
    this.result = make("div", { class: "preview", tabindex: "-1" });
    this.apply = make("button", { type: "button", class: "main", hidden: true, onclick: () => this.#do("apply") }, "Write this");
    this.takeBack = make("button", { type: "button", class: "main", hidden: true, onclick: () => this.#do("undo") }, "Take this back");
    const all = (isTicked) => () => {
      for (const box of this.ticks.querySelectorAll("input")) box.checked = isTicked;
      this.forget();
    };
    this.element = make("div", { class: "plan" },
      make("fieldset", {}, make("legend", {}, "Genres to keep"), this.ticks,
        make("p", { class: "buttons" }, make("button", { type: "button", onclick: all(true) }, "All"), make("button", { type: "button", onclick: all(false) }, "None"))),
      make("fieldset", {}, make("legend", {}, "What to write"),
        make("p", {}, make("label", { for: this.minimum.id }, "Minimum confidence "), this.minimum, " % (below it a genre is unknown)"),
        ...options.map(({ element }) => element)),
      make("p", { class: "buttons" },
        make("button", { type: "button", onclick: () => this.#do("preview") }, "Preview"),
        make("button", { type: "button", onclick: () => this.#do("undo-preview") }, "Undo…")),
      this.result, make("p", { class: "buttons" }, this.apply, this.takeBack));
    this.element.addEventListener("change", () => this.forget());
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
      min_confidence: Math.min(100, Math.max(0, Number(this.minimum.value) || 0)) / 100,
      ...Object.fromEntries(this.options.map(({ key, read }) => [key, read()])),
    };
  }

  // A preview holds for what it was made of only.
  forget() {
    this.result.replaceChildren();
    this.apply.hidden = this.takeBack.hidden = true;
  }

  async #do(kind) {
    const order = this.order();
    const isAtWork = [this.apply, this.takeBack].includes(document.activeElement);
    this.forget();
    const found = await this.run(kind, order);
    if (!found) return;
    this.result.replaceChildren(...(kind.startsWith("undo") ? this.takenBack(found) : this.written(found)));
    this.apply.hidden = kind !== "preview";
    this.takeBack.hidden = kind !== "undo-preview";
    // The button that was pressed is gone.
    if (isAtWork) this.result.focus();
  }
}
