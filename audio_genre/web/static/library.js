// The view that sorts a library: a folder, what is known of its tracks, genres moved by hand, what is written.
import * as api from "./api.js";
import { byId, make, percent } from "./dom.js";
import { Filters, tally } from "./filters.js";
import { Mover } from "./mover.js";
import { Plan, tick } from "./plan.js";
import { takenBack, written } from "./plan_files.js";
import { Player, playable } from "./player.js";
import { Table } from "./table.js";
import { TaskLine } from "./task.js";

const LOOK_MS = 2000;
const MOST_FAILURES = 200;
const KINDS = {
  classify: "Classifying", preview: "Looking at what would be written", apply: "Writing",
  "undo-preview": "Looking at what would be taken back", undo: "Taking back",
};
const UNKNOWN = "unknown";

let folder = null;
let changes = -1;
let rows = [];
let choices = [];
let facts = null;
let byTrack = new Map();
let isBusy = false;
let table, filters, line, plan, player, mover;

const titleOf = (row) => row.title ?? row.path.split("/").at(-1);
const nameOf = (row) => (row.artist ? `${row.artist} - ${titleOf(row)}` : titleOf(row));

export function start() {
  line = new TaskLine({ task: api.task, stop: api.stop }, KINDS);
  player = new Player((row) => table.update(byTrack.get(row.id)));
  mover = new Mover({ name: nameOf, title: titleOf, says: modelSays, none: "no answer", isFixed: (row) => !row.genre, move });
  table = new Table("Tracks", [
    { key: "play", title: "Play", value: (row) => (playable(row.path) ? 0 : 1), fill: fillPlay },
    { key: "title", title: "Title", value: titleOf, cell: titleOf },
    { key: "artist", title: "Artist", value: (row) => row.artist, cell: (row) => row.artist ?? "–" },
    { key: "album", title: "Album", value: (row) => row.album, cell: (row) => row.album ?? "–" },
    { key: "genre", title: "Genre", value: (row) => row.genre, fill: (cell, row) => mover.fill(cell, row, () => choices) },
    { key: "sure", title: "Confidence", value: (row) => row.confidence, cell: sureWords },
  ]);
  filters = new Filters(table, {
    noun: "tracks",
    text: (row) => [row.title, row.artist, row.album, row.path].join(" "),
    more: [["hand", "moved by hand", (row) => row.by_hand], ["failed", "no answer", (row) => !row.genre]],
  });
  plan = new Plan({
    run,
    written: (found) => written(found, (id) => nameOf(byTrack.get(id) ?? { path: id })),
    takenBack,
    options: [tick("playlists", "Playlists, one for each genre, in the folder playlists", true), tick("tags", "Genre tags of files that have none"),
      tick("overwrite", "Also in place of another genre")],
  });
  byId("library-task").append(line.element);
  byId("track-table").append(filters.element, table.element);
  byId("library-plan").append(plan.element);
  byId("library").append(player.element, mover.element);
  byId("classify-new").addEventListener("click", () => run("classify", {}));
  byId("retry").addEventListener("click", () => run("classify", { retry_failed: true }));
  byId("change-folder").addEventListener("click", () => pick(folder));
  setInterval(look, LOOK_MS);
}

export async function show(parameters) {
  try {
    const session = await api.open();
    if (session.music === null) {
      line.say("No library was named; start the server with --music DIR.");
      return;
    }
    const wanted = parameters.get("folder");
    if (wanted === null) await pick("");
    else if (wanted !== folder) await enter(wanted);
  } catch (error) {
    line.say(error.message, true);
  }
}

// The folder to choose from; nothing is read in it but names.
async function pick(place) {
  byId("picker").hidden = false;
  byId("opened").hidden = true;
  line.say("");
  folder = null;
  try {
    const found = await api.folders(place);
    const parts = found.folder ? found.folder.split("/") : [];
    const step = (id, name) => make("button", { type: "button", class: "step", onclick: () => pick(id) }, name);
    const names = found.path ? found.path.split("/") : [];
    byId("place").replaceChildren(...[found.music, ...names].flatMap((name, k) => [...(k ? [" / "] : []), step(parts.slice(0, k).join("/"), name)]));
    byId("folders").replaceChildren(...found.folders.map(({ id, name }) => make("li", {}, make("button", { type: "button", onclick: () => pick(id) }, name))));
    byId("no-folders").hidden = found.folders.length > 0;
    byId("use-folder").href = `#library?folder=${encodeURIComponent(found.folder)}`;
    byId("use-folder").textContent = `Sort “${names.at(-1) ?? found.music}”`;
  } catch (error) {
    line.say(error.message, true);
  }
}

async function enter(wanted) {
  folder = wanted;
  rows = [];
  byId("picker").hidden = true;
  byId("opened").hidden = false;
  byId("tracks").hidden = true;
  byId("summary").textContent = "";
  filters.clear();
  const { music } = await api.open();
  byId("folder-name").textContent = [music, ...(wanted ? decodeURIComponent(wanted).split("/") : [])].join(" / ");
  const { task } = await api.task();
  if (task?.state === "running" && task.subject === folder) await follow(task);
  await load();
}

async function load() {
  const mine = folder;
  line.say("Reading the folder…");
  try {
    const found = await api.tracks(mine);
    if (mine !== folder) return;
    ({ changes, choices } = found);
    facts = found;
    rows = found.rows;
    byTrack = new Map(rows.map((row) => [row.id, row]));
    tell();
    line.say("");
  } catch (error) {
    line.say(error.message, true);
  }
}

function tell() {
  byId("trust").textContent = facts.trust;
  byId("classify-new").hidden = !facts.pending;
  byId("classify-new").textContent = `Classify ${facts.pending} ${facts.pending === 1 ? "file" : "files"}`;
  byId("retry").hidden = !facts.failed;
  const failed = rows.filter((row) => !row.genre);
  byId("failures").hidden = !failed.length && !facts.notes.length;
  byId("failure-list").replaceChildren(
    ...[...facts.notes, ...failed.slice(0, MOST_FAILURES).map((row) => `${row.path} ${row.reason}.`)].map((words) => make("li", {}, words)));
  byId("tracks").hidden = !rows.length;
  table.setRows(rows);
  offer();
}

// The genres to filter by and to keep, with how many tracks each has now.
function offer() {
  const counts = tally(rows, choices);
  choices = [...counts.keys()];
  const present = [...counts].filter(([, number]) => number);
  const byHand = rows.filter((row) => row.by_hand).length;
  const failed = rows.filter((row) => !row.genre).length;
  const parts = [`${facts.found} audio files`, `${rows.length - failed} with an answer`];
  if (byHand) parts.push(`${byHand} moved by hand`);
  if (facts.failed) parts.push(`${facts.failed} failed`);
  if (facts.pending) parts.push(`${facts.pending} not classified yet`);
  byId("summary").textContent = `${parts.join(", ")}.`;
  filters.offer(present);
  plan.setGenres(present);
}

function fillPlay(cell, row) {
  const button = cell.firstElementChild ?? cell.appendChild(make("button", { type: "button", class: "icon" }));
  const isPlaying = player.isPlaying(row);
  button.textContent = isPlaying ? "❚❚" : "▶";
  button.disabled = !playable(row.path);
  button.setAttribute("aria-label", `${isPlaying ? "Pause" : "Play"} ${titleOf(row)}`);
  button.title = button.disabled ? "This browser cannot play this format" : "";
  button.onclick = () => player.toggle(row, api.audio(folder, row.id), nameOf(row));
}

function modelSays(row) {
  return `The model says ${row.model_genre}, ${percent(row.model_confidence)}.${row.reason ? ` It counts as unknown: ${row.reason}.` : ""}`;
}

function sureWords(row) {
  if (row.by_hand) return "by hand";
  return row.confidence === null ? "–" : percent(row.confidence);
}

async function move({ id }, genre) {
  try {
    ({ changes } = await api.correct(folder, { [id]: genre }));
    if (genre === null) {
      await load();
      return;
    }
    // The rows may have been loaded again since the dialog was opened.
    const row = byTrack.get(id);
    Object.assign(row, { genre, by_hand: true, confidence: null, reason: null });
    if (!choices.includes(genre)) choices.splice(choices.indexOf(UNKNOWN), 0, genre);
    table.update(row);
    offer();
    line.say(`${nameOf(row)} is ${genre} from now on.`);
  } catch (error) {
    line.say(error.message, true);
  }
}

async function run(kind, order) {
  isBusy = true;
  try {
    const { task } = await api.begin({ kind, folder, ...order });
    return await follow(task);
  } catch (error) {
    line.say(error.message, true);
    return null;
  } finally {
    isBusy = false;
  }
}

async function follow(task) {
  isBusy = true;
  try {
    const ended = await line.follow(task);
    const changed = ["classify", "apply", "undo"].includes(ended.kind);
    if (changed) await load();
    if (ended.state === "failed") line.say(ended.error, true);
    else if (ended.state === "stopped") line.say("Stopped; what was done is kept.");
    else if (ended.state === "done" && ended.kind === "classify") line.say(`${ended.result.classified} classified, ${ended.result.failed} failed.`);
    else if (ended.state === "done" && changed) line.say("Done.");
    else line.say("");
    return ended.state === "done" ? ended.result : null;
  } finally {
    isBusy = false;
  }
}

// Other tabs may be at work on the same folder.
async function look() {
  if (isBusy || folder === null || byId("library").hidden || document.hidden) return;
  isBusy = true;
  try {
    const found = await api.task();
    if (found.task?.state === "running" && found.task.subject === folder) await follow(found.task);
    else if (found.changes !== changes && changes >= 0) await load();
  } catch {
    // The next look, or what somebody does, tells.
  } finally {
    isBusy = false;
  }
}
