// The dialog in which a track is given another genre, and the button in a table that opens it.
import { make } from "./dom.js";

const OTHER = "\u0000other";

// `name(row)` and `title(row)` are what a track is called, `says(row)` what is known of its genre, `none` what a row
// without one shows, `isFixed(row)` whether it cannot be moved; `move(row, genre)` keeps the genre, null takes it back.
export class Mover {
  constructor({ prefix = "", name, title, says, none, isFixed, move }) {
    Object.assign(this, { name, title, says, none, isFixed, move });
    const id = (part) => `${prefix}mover-${part}`;
    this.heading = make("h2", { id: id("title") });
    this.text = make("p", { class: "quiet" });
    this.select = make("select", { id: id("genre"), onchange: () => this.#offerName() });
    this.own = make("input", { id: id("own"), maxlength: "60", autocomplete: "off" });
    this.ownLine = make("p", { hidden: true }, make("label", { for: id("own") }, "Its name "), this.own);
    this.back = make("button", { type: "button", onclick: () => this.#end(null) }, "Take back");
    this.element = make("dialog", { "aria-labelledby": id("title") },
      make("form", { onsubmit: (event) => this.#submit(event) }, this.heading, this.text,
        make("p", {}, make("label", { for: id("genre") }, "Genre "), this.select), this.ownLine,
        make("p", { class: "buttons" }, make("button", { type: "submit", class: "main" }, "Move"), this.back,
          make("button", { type: "button", onclick: () => this.element.close() }, "Cancel"))));
  }

  // Fills the cell of a genre.
  fill(cell, row, choices) {
    const button = cell.firstElementChild ?? cell.appendChild(make("button", { type: "button", class: "genre-button" }));
    const [told, isFixed] = [row.genre || this.none, this.isFixed(row)];
    // Arrow keys lead to it all the same.
    button.setAttribute("aria-disabled", String(isFixed));
    button.textContent = `${row.by_hand ? "✎ " : ""}${told}`;
    button.title = row.reason ?? "";
    button.setAttribute("aria-label", isFixed ? told : `Genre of ${this.title(row)}: ${told}${row.by_hand ? ", moved by hand" : ""}; move`);
    button.onclick = () => isFixed || this.#open(row, choices());
  }

  #open(row, choices) {
    this.row = row;
    this.heading.textContent = `Move ${this.name(row)}`;
    this.text.textContent = this.says(row);
    this.select.replaceChildren(...choices.map((genre) => make("option", { value: genre }, genre)), make("option", { value: OTHER }, "another genre…"));
    this.select.value = row.genre || choices[0];
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
