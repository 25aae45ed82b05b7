// A card: one file and its answer.
import { clock, make, percent, worthWords } from "./dom.js";
import { spectrogram } from "./spectrogram.js";
import { strip } from "./strip.js";

export function waitingCard(file) {
  const address = URL.createObjectURL(file);
  const player = make("audio", { controls: true, preload: "metadata", src: address, "aria-label": `Play ${file.name}` });
  player.addEventListener("error", () => player.replaceWith(make("p", { class: "hint" }, "This browser cannot play this file.")));
  const card = make("article", { class: "card", "aria-busy": "true", "aria-label": file.name },
    make("h2", {}, file.name), make("p", { class: "answer", role: "status" }, "Waiting…"), player);
  card.addEventListener("gone", () => URL.revokeObjectURL(address));
  return card;
}

export function failedCard(card, sentence) {
  card.setAttribute("aria-busy", "false");
  card.querySelector(".answer").replaceWith(make("p", { class: "error", role: "status" }, `Failed: ${sentence}`));
}

export function filledCard(card, answer, picture) {
  card.setAttribute("aria-busy", "false");
  const isKnown = answer.reason === null;
  card.querySelector(".answer").textContent = isKnown ? `${answer.genre} ${percent(answer.confidence)}` : "unknown";
  const parts = [];
  if (!isKnown) card.querySelector(".answer").after(make("p", { class: "reason" }, `Why: ${answer.reason}.`));
  parts.push(strip(answer, card.querySelector("audio"), picture && spectrogram(picture)));
  if (!answer.silent) parts.push(bars(answer));
  parts.push(sections(answer), make("p", { class: "hint" }, worthWords(answer.worth)));
  card.append(...parts);
}

function bars(answer) {
  const rows = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  return make("table", { class: "bars" }, make("caption", {}, "Probability of every genre, over the whole file"),
    make("tbody", {}, ...rows.map(([genre, share]) => {
      const fill = make("div", { class: "fill" });
      fill.style.width = `${100 * share}%`;
      return make("tr", {}, make("th", { scope: "row", title: genre }, genre), make("td", { class: "number" }, percent(share)),
        make("td", { "aria-hidden": "true" }, make("div", { class: "track" }, fill)));
    })));
}

function sections(answer) {
  const reasons = new Map();
  const rows = answer.timeline.map((point) => {
    // In brackets are numbers of this section alone.
    const reason = point.reason?.split(" (")[0];
    if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    const [first, second] = Object.entries(point.probabilities).sort((a, b) => b[1] - a[1]);
    const words = ([genre, share]) => `${genre} ${percent(share)}`;
    return make("tr", {}, make("td", { class: "time" }, `${clock(point.start)}–${clock(point.end)}`),
      make("td", {}, point.reason === null ? words(first) : "unknown"),
      make("td", {}, point.silent ? "–" : point.reason === null ? (second ? words(second) : "–") : words(first)));
  });
  return make("details", {}, make("summary", {}, `${rows.length} ${rows.length === 1 ? "section" : "sections"} as a table`),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Stretches" }, make("table", {},
      make("thead", {}, make("tr", {}, ...["Time", "Genre", "Runner-up"].map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...rows))),
    ...[...reasons].map(([reason, count]) => make("p", { class: "hint" }, `unknown, ${count} of ${rows.length}: ${reason}`)));
}
