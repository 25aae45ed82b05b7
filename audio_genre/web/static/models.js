// The view of models: scores by protocol, the confusion matrix of each, and the choice of the one that classifies.
import * as api from "./api.js";
import { curves } from "./curves.js";
import { byId, interval, make } from "./dom.js";

export function start() {
  byId("make-report").addEventListener("click", report);
}

export async function show() {
  byId("models-status").textContent = "Reading the models…";
  try {
    byId("report-line").hidden = !(await api.open()).models;
    const { chosen, models } = await api.models();
    byId("model-lists").replaceChildren(...sections(models, chosen));
    byId("models-status").textContent = "";
  } catch (error) {
    byId("models-status").textContent = error.message;
  }
}

async function report() {
  byId("make-report").disabled = true;
  byId("report-status").textContent = "Comparing the models; this takes a while…";
  try {
    const { address } = await api.report();
    byId("report-status").replaceChildren(make("a", { href: address, target: "_blank", rel: "noopener" }, "Open the report"));
  } catch (error) {
    byId("report-status").textContent = error.message;
  }
  byId("make-report").disabled = false;
}

function sections(models, chosen) {
  const good = models.filter((model) => !model.error);
  const isLeaky = (protocol) => good.some((model) => model.leaky && model.protocol === protocol);
  const protocols = [...new Set(good.map((model) => model.protocol))].sort((a, b) => isLeaky(a) - isLeaky(b) || a.localeCompare(b));
  const parts = protocols.flatMap((protocol) => {
    const mine = good.filter((model) => model.protocol === protocol);
    mine.sort((a, b) => (b.accuracy?.value ?? -1) - (a.accuracy?.value ?? -1));
    const leaky = isLeaky(protocol) ? " (leaky: expect less for new tracks)" : "";
    return [make("h2", {}, `Protocol ${protocol}${leaky}`), make("p", { class: "quiet" }, mine[0].description), table(mine, chosen, protocol),
      ...mine.map(details)];
  });
  const broken = models.filter((model) => model.error);
  if (broken.length) parts.push(make("h2", {}, "Cannot be read"), make("ul", {}, ...broken.map((model) => make("li", {}, model.error))));
  return parts;
}

const nameOf = (model) => (model.ships ? `${model.model} (comes with the package)` : model.id);

function table(models, chosen, protocol) {
  const head = ["Model", "Accuracy", "Macro F1", "Test tracks", "Classifies"];
  // On a narrow screen rows become blocks, which would be no table to a screen reader without these roles.
  const cell = (k, content) => make("td", { role: "cell", "data-label": head[k] }, content);
  const rows = models.map((model) => make("tr", { role: "row" }, make("th", { scope: "row", role: "rowheader" }, nameOf(model)),
    cell(1, interval(model.accuracy)), cell(2, interval(model.macro_f1)), cell(3, String(model.tracks ?? "–")), cell(4, choice(model, chosen))));
  return make("table", { class: "models", role: "table", "aria-label": `Models of protocol ${protocol}` },
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...head.map((name) => make("th", { scope: "col", role: "columnheader" }, name)))),
    make("tbody", { role: "rowgroup" }, ...rows));
}

function choice(model, chosen) {
  if (model.id === chosen) return make("span", { class: "tag" }, "✓ in use");
  return make("button", { type: "button", "aria-label": `Use ${nameOf(model)}`, onclick: (event) => choose(model, event.target) }, "Use");
}

async function choose(model, button) {
  button.disabled = true;
  byId("models-status").textContent = `Loading ${nameOf(model)}…`;
  try {
    await api.choose(model.id);
    await show();
    byId("models-status").textContent = `${nameOf(model)} classifies from now on.`;
  } catch (error) {
    button.disabled = false;
    byId("models-status").textContent = error.message;
  }
}

function details(model) {
  const place = make("div", {}, make("p", {}, "Scoring its predictions…"));
  const box = make("details", {}, make("summary", {}, `Confusion matrix and learning curves of ${nameOf(model)}`), place);
  box.addEventListener("toggle", async () => {
    if (!box.open || box.dataset.isAsked) return;
    box.dataset.isAsked = "yes";
    try {
      place.replaceChildren(...measuredParts(model, await api.measured(model.id)));
    } catch (error) {
      place.replaceChildren(make("p", { class: "error" }, error.message));
    }
  });
  return box;
}

function measuredParts(model, found) {
  const label = `Confusion matrix of ${nameOf(model)}; the table below has its numbers`;
  const scores = `${found.kind}; accuracy ${interval(found.accuracy)}, macro F1 ${interval(found.macro_f1)}, ` +
    `calibration error ${interval(found.calibration_error)}, over ${found.tracks} test tracks, scored anew from its predictions.`;
  const parts = [make("p", {}, scores)];
  if (found.cannot_classify) parts.push(make("p", {}, `It cannot classify audio here: ${found.cannot_classify}`));
  const none = make("p", { class: "hint" }, "There are none: it was not trained in epochs.");
  parts.push(make("h3", {}, "Learning curves"), found.history ? curves(found.history) : none);
  parts.push(make("h3", {}, "Confusion matrix"));
  parts.push(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Picture" },
    make("img", { class: "picture", src: api.confusionPicture(model.id), alt: label })));
  const head = ["True class", ...found.classes, "Recall"];
  const rows = found.classes.map((name, k) => make("tr", {}, make("th", { scope: "row" }, name),
    ...found.confusion[k].map((count) => make("td", { class: "number" }, String(count))),
    make("td", { class: "number" }, found.per_class[name].recall.toFixed(3))));
  parts.push(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers" }, make("table", {},
    make("caption", {}, "Rows are true classes, columns are answers, in test tracks"),
    make("thead", {}, make("tr", {}, ...head.map((name, k) => make("th", { scope: "col", class: k ? "number" : null }, name)))),
    make("tbody", {}, ...rows))));
  return parts;
}
