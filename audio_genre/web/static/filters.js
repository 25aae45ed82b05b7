// Search, and a filter by genre, above a table; any view may use it.
import { make } from "./dom.js";

// How many rows each genre has; `choices` come first.
export function tally(rows, choices) {
  const counts = new Map(choices.map((genre) => [genre, 0]));
  for (const row of rows) if (row.genre) counts.set(row.genre, (counts.get(row.genre) ?? 0) + 1);
  return counts;
}

// `text(row)` is what is searched, `more` are filters besides the genres: [value, what it is called, test(row)].
export class Filters {
  constructor(table, { prefix = "", noun, text, more }) {
    Object.assign(this, { table, noun, text, more });
    const [search, genre] = [`${prefix}search`, `${prefix}genre-filter`];
    this.search = make("input", { id: search, type: "search", autocomplete: "off", oninput: () => this.apply() });
    this.select = make("select", { id: genre, onchange: () => this.apply() });
    this.count = make("p", { id: `${prefix}count`, class: "count", role: "status" });
    this.element = make("div", { class: "filters" }, make("p", {}, make("label", { for: search }, "Search"), " ", this.search),
      make("p", {}, make("label", { for: genre }, "Genre"), " ", this.select), this.count);
  }

  // Offers genres, [name, how many rows]; what was chosen stays where it can.
  offer(genres) {
    const { rows } = this.table;
    const more = this.more.map(([value, words, test]) => [value, words, rows.filter(test).length]).filter(([, , number]) => number);
    const options = [["", "All genres", rows.length], ...genres.map(([genre, number]) => [`=${genre}`, genre, number]), ...more];
    const former = this.select.value;
    this.select.replaceChildren(...options.map(([value, words, number]) => make("option", { value }, `${words} (${number})`)));
    if (options.some(([value]) => value === former)) this.select.value = former;
    else this.apply();
    this.tell();
  }

  clear() {
    this.search.value = this.select.value = "";
    this.apply();
  }

  apply() {
    const kind = this.select.value;
    const test = this.more.find(([value]) => value === kind)?.[2] ?? ((row) => !kind || row.genre === kind.slice(1));
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.table.filter((row) => {
      if (!test(row)) return false;
      row.text ??= this.text(row).toLowerCase();
      return words.every((word) => row.text.includes(word));
    });
    this.tell();
  }

  tell() {
    const { shown, rows } = this.table;
    this.count.textContent = `${shown.length === rows.length ? "" : `${shown.length} of `}${rows.length} ${this.noun}`;
  }
}
