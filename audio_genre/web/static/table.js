// A table of any number of rows, of which only those in sight are in the document; any view may use it.
import { make } from "./dom.js";

const SPARE = 8;
const CONTROLS = "button, a";
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

const isEmpty = (value) => value === null || value === undefined || value === "";

function compare(a, b) {
  // What is missing comes last, whichever way the rest goes.
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
}

// Columns are objects of: key, title, value(row) to sort by, and cell(row) or fill(cell, row); without a title a column
// is not sorted by. `look` is a class for the style sheet.
export class Table {
  constructor(label, columns, look = "") {
    this.columns = columns;
    this.rows = [];
    this.shown = [];
    this.keep = () => true;
    this.order = null;
    this.active = 0;
    this.drawn = new Map();
    this.spare = [];
    this.heads = columns.map((column, k) => this.#head(column, k));
    this.header = make("div", { role: "row", class: "row head-row", "aria-rowindex": "1" }, ...this.heads);
    this.body = make("div", { role: "rowgroup", class: "rows" });
    this.table = make("div", { role: "table", class: `sheet ${look}`, "aria-label": label, "aria-colcount": String(columns.length) },
      make("div", { role: "rowgroup", class: "heads" }, this.header), this.body);
    this.element = make("div", { class: "viewport", tabindex: "0", role: "region", "aria-label": label }, this.table);
    this.element.addEventListener("scroll", () => this.#later(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#move(event));
    this.body.addEventListener("focusin", (event) => this.#activate(event.target));
    new ResizeObserver(() => { this.height = 0; this.#later(); }).observe(this.element);
  }

  setRows(rows) {
    this.rows = rows;
    this.refresh();
  }

  // Shows the rows that a function keeps.
  filter(keep) {
    this.keep = keep;
    this.element.scrollTop = 0;
    this.active = 0;
    this.refresh();
  }

  sortBy(key, isDown = false) {
    this.order = { key, isDown };
    this.heads.forEach((head, k) => {
      const isIt = this.columns[k].key === key;
      head.setAttribute("aria-sort", isIt ? (isDown ? "descending" : "ascending") : "none");
    });
    this.refresh();
  }

  refresh() {
    this.shown = this.rows.filter(this.keep);
    if (this.order) {
      const { key, isDown } = this.order;
      const { value } = this.columns.find((column) => column.key === key);
      const keyed = this.shown.map((row) => [value(row), row]);
      keyed.sort(([a], [b]) => isEmpty(a) - isEmpty(b) || (isEmpty(a) ? 0 : (isDown ? -1 : 1) * compare(a, b)));
      this.shown = keyed.map(([, row]) => row);
    }
    this.table.setAttribute("aria-rowcount", String(this.shown.length + 1));
    this.active = Math.min(this.active, Math.max(0, this.shown.length - 1));
    // In their places, so that rows that are loaded again keep the place of who is at the keyboard.
    for (const [index, element] of [...this.drawn]) {
      if (index < this.shown.length) this.#fill(element, index);
      else this.#release(index);
    }
    this.height = 0;
    this.#draw();
  }

  // Fills a row again that changed, where it is in sight.
  update(row) {
    const index = this.shown.indexOf(row);
    const element = this.drawn.get(index);
    if (element) this.#fill(element, index);
  }

  #head(column, k) {
    if (!column.value) return make("div", { role: "columnheader", class: `cell ${column.key}` }, make("span", { class: "unseen" }, column.title));
    const button = make("button", { type: "button", class: "sort", onclick: () => {
      this.sortBy(column.key, this.order?.key === column.key && !this.order.isDown);
    } }, column.title);
    return make("div", { role: "columnheader", class: `cell ${column.key}`, "aria-sort": "none", "aria-colindex": String(k + 1) }, button);
  }

  #later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#draw();
    });
  }

  #draw() {
    if (!this.height) {
      this.height = parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) * parseFloat(getComputedStyle(document.documentElement).fontSize);
      this.body.style.height = `${this.height * this.shown.length}px`;
      for (const [index, element] of this.drawn) element.style.top = `${index * this.height}px`;
    }
    const top = this.element.scrollTop;
    const first = Math.max(0, Math.floor(top / this.height) - SPARE);
    const last = Math.min(this.shown.length, Math.ceil((top + this.element.clientHeight) / this.height) + SPARE);
    for (const index of [...this.drawn.keys()]) if (index < first || index >= last) this.#release(index);
    let before = this.body.firstElementChild;
    for (let index = first; index < last; index += 1) {
      let element = this.drawn.get(index);
      if (!element) {
        element = this.spare.pop() ?? this.#blank();
        this.drawn.set(index, element);
        element.style.top = `${index * this.height}px`;
        this.#fill(element, index);
      }
      // In the order of the rows, for those who listen to them.
      if (element === before) before = before.nextElementSibling;
      else this.body.insertBefore(element, before);
    }
  }

  #blank() {
    return make("div", { role: "row", class: "row" }, ...this.columns.map((column) => make("div", { role: "cell", class: `cell ${column.key}` })));
  }

  #fill(element, index) {
    const row = this.shown[index];
    element.setAttribute("aria-rowindex", String(index + 2));
    element.dataset.index = String(index);
    this.columns.forEach((column, k) => {
      const cell = element.children[k];
      if (column.fill) column.fill(cell, row);
      else {
        const text = column.cell(row);
        cell.textContent = text;
        cell.title = text;
      }
    });
    this.#reach(element, index === this.active);
  }

  #release(index) {
    const element = this.drawn.get(index);
    if (element.contains(document.activeElement)) this.element.focus({ preventScroll: true });
    this.drawn.delete(index);
    this.spare.push(element);
    element.remove();
  }

  // One row's controls are in the order of the keyboard; arrows lead to the others.
  #reach(element, isActive) {
    for (const control of element.querySelectorAll(CONTROLS)) control.tabIndex = isActive ? 0 : -1;
  }

  #activate(target) {
    const index = Number(target.closest(".row")?.dataset.index);
    if (Number.isNaN(index) || index === this.active) return;
    const former = this.drawn.get(this.active);
    if (former) this.#reach(former, false);
    this.active = index;
    this.#reach(this.drawn.get(index), true);
  }

  #move(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.height) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || event.target.closest(".heads") || !this.shown.length) return;
    event.preventDefault();
    const row = event.target.closest(".row");
    const place = row ? [...row.children].indexOf(event.target.closest(".cell")) : -1;
    const from = row ? Number(row.dataset.index) : Math.floor(this.element.scrollTop / this.height) - 1;
    this.#focus(Math.max(0, Math.min(this.shown.length - 1, from + steps[event.key])), place);
  }

  #focus(index, place) {
    const [top, bottom] = [index * this.height, (index + 1) * this.height];
    const room = this.element.clientHeight - this.header.offsetHeight;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (bottom > this.element.scrollTop + room) this.element.scrollTop = bottom - room;
    this.#draw();
    const row = this.drawn.get(index);
    // The same column, as far as the row has anything to press there.
    const control = row.children[place]?.querySelector(CONTROLS) ?? [...row.querySelectorAll(CONTROLS)].at(-1);
    control?.focus({ preventScroll: true });
  }
}
