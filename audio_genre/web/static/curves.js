// Learning curves: loss and accuracy by epoch, as drawings with their numbers in a table.
import { make } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [360, 200, 44, 30, 12];
const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

function chart(history, title, keys) {
  const epochs = history.map((row) => row.epoch);
  const most = Math.max(...history.flatMap((row) => keys.map(([key]) => row[key])), 1e-9);
  const top = title === "Accuracy" ? 1 : most;
  const x = (epoch) => LEFT + ((WIDTH - LEFT - 8) * (epoch - epochs[0])) / Math.max(1, epochs.at(-1) - epochs[0]);
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * value) / top;
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "curves", "aria-label": `${title} by epoch; the table below has its numbers` });
  for (const share of [0, 0.5, 1]) {
    drawing.append(svg("line", { x1: LEFT, x2: WIDTH - 8, y1: y(share * top), y2: y(share * top), class: "rule" }),
      svg("text", { x: LEFT - 6, y: y(share * top) + 4, "text-anchor": "end" }, (share * top).toFixed(2)));
  }
  drawing.append(svg("text", { x: LEFT, y: HEIGHT - 10 }, String(epochs[0])), svg("text", { x: WIDTH - 8, y: HEIGHT - 10, "text-anchor": "end" }, `epoch ${epochs.at(-1)}`));
  for (const [key, look] of keys) drawing.append(svg("polyline", { class: `curve ${look}`, points: history.map((row) => `${x(row.epoch).toFixed(1)},${y(row[key]).toFixed(1)}`).join(" ") }));
  return make("figure", {}, make("figcaption", {}, `${title}: training solid, validation dashed`), drawing);
}

export function curves(history) {
  const head = ["Epoch", "Loss", "Accuracy", "Validation loss", "Validation accuracy"];
  const keys = ["loss", "accuracy", "val_loss", "val_accuracy"];
  const rows = history.map((row) => make("tr", {}, make("th", { scope: "row" }, String(row.epoch)), ...keys.map((key) => make("td", { class: "number" }, row[key].toFixed(3)))));
  return make("div", {}, make("div", { class: "beside" }, chart(history, "Accuracy", [["accuracy", "solid"], ["val_accuracy", "dashed"]]),
    chart(history, "Loss", [["loss", "solid"], ["val_loss", "dashed"]])),
  make("details", {}, make("summary", {}, "Numbers of the learning curves"),
    make("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Numbers of the learning curves" }, make("table", {},
      make("thead", {}, make("tr", {}, ...head.map((name, k) => make("th", { scope: "col", class: k ? "number" : null }, name)))), make("tbody", {}, ...rows)))));
}
