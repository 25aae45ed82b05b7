// The dialog in which a track is given another genre.
import { make, percent } from "./dom.js";

const OTHER = "\u0000other";

// `move(row, genre)` keeps the genre, null takes it back.
export class Mover {
  constructor({ name, move }) {
    this.name = name;
    this.move = move;
    this.heading = make("h2", { id: "mover-title" });
    this.says = make("p", { class: "quiet" });
    this.select = make("select", { id: "mover-genre", onchange: () => this.#offerName() });
    this.own = make("input", { id: "mover-own", maxlength: "60", autocomplete: "off" });
    this.ownLine = make("p", { hidden: true }, make("label", { for: "mover-own" }, "Its name "), this.own);
    this.back = make("button", { type: "button", onclick: () => this.#end(null) }, "Take back");
    this.element = make("dialog", { "aria-labelledby": "mover-title" },
      make("form", { onsubmit: (event) => this.#submit(event) }, this.heading, this.says,
        make("p", {}, make("label", { for: "mover-genre" }, "Genre "), this.select), this.ownLine,
        make("p", { class: "buttons" }, make("button", { type: "submit", class: "main" }, "Move"), this.back,
          make("button", { type: "button", onclick: () => this.element.close() }, "Cancel"))));
  }

  open(row, choices) {
    this.row = row;
    this.heading.textContent = `Move ${this.name(row)}`;
    const reason = row.reason ? ` It counts as unknown: ${row.reason}.` : "";
    this.says.textContent = `The model says ${row.model_genre}, ${percent(row.confidence)}.${reason}`;
    this.select.replaceChildren(...choices.map((genre) => make("option", { value: genre }, genre)), make("option", { value: OTHER }, "another genre…"));
    this.select.value = row.genre;
    this.own.value = "";
    this.back.hidden = !row.by_hand;
    this.#offerName();
    this.element.showModal();
    this.select.focus();
  }

  #offerName() {
    this.ownLine.hidden = this.select.value !== OTHER;
    this.own.required = !this.ownLine.hidden;
    if (!this.ownLine.hidden) this.own.focus();
  }

  #submit(event) {
    event.preventDefault();
    this.#end(this.select.value === OTHER ? this.own.value.trim().replace(/\s+/g, " ") : this.select.value);
  }

  #end(genre) {
    if (genre === "") return;
    this.element.close();
    this.move(this.row, genre);
  }
}
