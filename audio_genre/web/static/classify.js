// The view that classifies: files in, a card each, results out.
import * as api from "./api.js";
import { failedCard, filledCard, waitingCard } from "./answer.js";
import { csvOf } from "./csv.js";
import { byId, worthWords } from "./dom.js";

// A browser has six connections to a server; the others are for the rest of the page.
const AT_ONCE = 4;
const MEGABYTE = 2 ** 20;

const waiting = [];
let entries = [];
let underWay = 0;

export function start() {
  const input = byId("files");
  input.addEventListener("change", () => {
    add([...input.files]);
    // The same file may be chosen again.
    input.value = "";
  });
  let depth = 0;
  const over = (change) => (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    depth = Math.max(0, depth + change);
    byId("drop").classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", over(1));
  document.addEventListener("dragleave", over(-1));
  document.addEventListener("dragover", over(0));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    byId("drop").classList.remove("over");
    location.hash = "classify";
    add([...event.dataTransfer.files]);
  });
  byId("copy").addEventListener("click", copy);
  byId("csv").addEventListener("click", save);
  byId("clear").addEventListener("click", clear);
}

export async function show() {
  try {
    const session = await api.open();
    byId("limits").textContent =
      `Up to ${session.max_bytes / MEGABYTE} MB and ${session.max_seconds} s of computing per file. They stay on this machine.`;
    byId("model-line").textContent = worthWords(await api.chosen());
  } catch (error) {
    byId("model-line").textContent = error.message;
  }
}

function add(files) {
  for (const file of files) {
    const entry = { file, card: waitingCard(file), answer: null, error: null, isDone: false };
    entries.push(entry);
    waiting.push(entry);
    byId("cards").append(entry.card);
  }
  tell();
  work();
}

function work() {
  while (underWay < AT_ONCE && waiting.length) {
    underWay += 1;
    answer(waiting.shift()).finally(() => {
      underWay -= 1;
      tell();
      work();
    });
  }
}

async function answer(entry) {
  try {
    const { max_bytes: most } = await api.open();
    if (entry.file.size > most) {
      throw new Error(`${entry.file.name} is larger than the ${most / MEGABYTE} MB that this server takes; start it with --max-mb.`);
    }
    const { picture, ...answer } = await api.classify(entry.file);
    // What is copied and saved is numbers and words.
    entry.answer = answer;
    filledCard(entry.card, answer, picture);
  } catch (error) {
    entry.error = error.message;
    failedCard(entry.card, error.message);
  }
  entry.isDone = true;
}

function tell(more = "") {
  const done = entries.filter((entry) => entry.isDone).length;
  const failed = entries.filter((entry) => entry.error).length;
  byId("actions").hidden = entries.length === 0;
  byId("progress").textContent = `${done} of ${entries.length} done${failed ? `, ${failed} failed` : ""}${more}`;
  const isEmpty = !entries.some((entry) => entry.answer);
  byId("copy").disabled = isEmpty;
  byId("csv").disabled = isEmpty;
}

const results = () =>
  entries.filter((entry) => entry.isDone).map((entry) => entry.answer ?? { path: entry.file.name, error: entry.error });

async function copy() {
  try {
    await navigator.clipboard.writeText(JSON.stringify(results(), null, 1));
    tell("; copied");
  } catch {
    tell("; the browser did not allow copying");
  }
}

function save() {
  const address = URL.createObjectURL(new Blob([csvOf(results())], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = "genres.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function clear() {
  for (const entry of entries) entry.card.dispatchEvent(new Event("gone"));
  entries = [];
  waiting.length = 0;
  byId("cards").replaceChildren();
  tell();
  byId("files").focus();
}
