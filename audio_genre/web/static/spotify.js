// The view of a Spotify account: liked songs, where their genres come from, playlists; the token stays in the server.
import * as api from "./api.js";
import { agreed } from "./ask.js";
import { byId, make, outward, percent } from "./dom.js";
import { Filters, tally } from "./filters.js";
import { Mover } from "./mover.js";
import { Plan, counted, field, tick } from "./plan.js";
import { takenBack, written } from "./plan_account.js";
import { Sources } from "./sources.js";
import { Table } from "./table.js";
import { TaskLine } from "./task.js";

const LOOK_MS = 2000;
const KINDS = {
  liked: "Reading liked songs", find: "Finding genres", preview: "Comparing with Spotify", apply: "Writing playlists",
  "undo-preview": "Looking at what would be taken back", undo: "Taking back",
};
const UNKNOWN = "unknown";
const BUSY = "A run of the command line is at work on the account.";

let status = null;
let changes = -1;
let rows = [];
let choices = [];
let bySong = new Map();
let underWay = 0;
let isOffered = false;
let table, filters, line, plan, mover, sources;

const titleOf = (row) => row.title || row.id;
const nameOf = (row) => (row.artist ? `${row.artist} - ${titleOf(row)}` : titleOf(row));
const whyOf = (row) => (row.place === "skipped" ? row.reason : [row.source, row.reason].filter(Boolean).join(": "));

export function start() {
  line = new TaskLine({ task: api.accountTask, stop: api.stopAccountTask }, KINDS);
  mover = new Mover({
    prefix: "song-", name: nameOf, title: titleOf, none: "no genre", isFixed: (row) => row.place === "skipped", move,
    says: (row) => [row.genre, row.confidence === null || row.by_hand ? null : percent(row.confidence), whyOf(row)].filter(Boolean).join(", "),
  });
  table = new Table("Liked songs", [
    { key: "title", title: "Title", value: titleOf, fill: fillTitle },
    { key: "artist", title: "Artist", value: (row) => row.artist, cell: (row) => row.artist || "–" },
    { key: "album", title: "Album", value: (row) => row.album, cell: (row) => row.album || "–" },
    { key: "genre", title: "Genre", value: (row) => row.genre, fill: (cell, row) => mover.fill(cell, row, () => choices) },
    { key: "sure", title: "Confidence", value: (row) => (row.by_hand ? null : row.confidence), cell: sureWords },
    { key: "why", title: "Source", value: whyOf, cell: whyOf },
  ], "songs");
  filters = new Filters(table, {
    prefix: "song-", noun: "songs",
    text: (row) => [row.title, row.artist, row.album].join(" "),
    more: [["hand", "moved by hand", (row) => row.by_hand], ["none", "no source knows it", (row) => row.place === "no features"],
      ["skipped", "cannot go to a playlist", (row) => row.place === "skipped"]],
  });
  sources = new Sources({ find, failed: (sentence) => line.say(sentence, true) });
  const minTracks = make("input", { type: "number", min: "1", value: "1", inputmode: "numeric" });
  const visibility = make("select", {}, make("option", { value: "private" }, "private"), make("option", { value: "public" }, "public"));
  plan = new Plan({
    prefix: "song-", run: runPlan, takenBack,
    written: (found) => written(found, (id) => nameOf(rowOf(id)), (id) => (whyOf(rowOf(id)) ? ` (${whyOf(rowOf(id))})` : "")),
    options: [
      field("min_tracks", "Songs that a genre needs for a playlist", minTracks, (value) => Math.max(1, Math.round(Number(value)) || 1)),
      field("name", "Name of new playlists, with {genre} in it", make("input", { value: "{genre} (liked)", maxlength: "100", autocomplete: "off" }), String),
      field("public", "New playlists are", visibility, (value) => value === "public"),
      tick("prune", "Remove songs that this program added and that do not belong there any more"),
    ],
  });
  byId("account-task").append(line.element);
  byId("sources").append(sources.element);
  byId("song-table").append(filters.element, table.element);
  byId("account-plan").append(plan.element);
  byId("spotify").append(mover.element);
  byId("connect-form").addEventListener("submit", connect);
  byId("disconnect").addEventListener("click", disconnect);
  byId("read-liked").addEventListener("click", () => run({ kind: "liked" }));
  setInterval(look, LOOK_MS);
}

export async function show(parameters) {
  try {
    await refresh();
    if (parameters.has("login")) {
      line.say(status.login_error, true);
      // Told once.
      history.replaceState(null, "", "#spotify");
    }
    if (status.task) await follow(status.task);
  } catch (error) {
    line.say(error.message, true);
  }
}

// What is known of the account, and the songs where they changed.
async function refresh() {
  status = await api.account();
  byId("connect").hidden = status.missing !== null;
  if (status.missing !== null) {
    line.say(status.missing, true);
    return;
  }
  tell();
  if (status.problem) line.say(status.problem, true);
  if (!status.connected) {
    rows = [];
    isOffered = false;
    changes = status.changes;
  } else if (status.busy && !status.task) {
    line.say(BUSY);
  } else if (!status.task && status.changes !== changes) {
    await load();
    if (line.text.textContent === BUSY) line.say("");
  }
}

function tell() {
  byId("account").hidden = !status.connected;
  // What is damaged can be deleted.
  byId("account-line").hidden = !status.connected && !status.problem;
  byId("connect-summary").textContent = status.connected ? "Connect again, or another account" : "Connect an account";
  byId("connect").open = !status.connected;
  byId("redirect-uri").textContent = status.redirect_uri;
  if (document.activeElement !== byId("client-id")) byId("client-id").value = status.client_id ?? "";
  if (!status.connected) byId("account-name").textContent = "The account cannot be used";
  if (!status.connected || status.busy) return;
  const end = status.days_left < 14 ? `; the login ends in ${counted(status.days_left, "day")}, connect again before` : "";
  byId("account-name").textContent = `Connected as ${status.name}${status.public ? ", public playlists allowed" : ""}${end}`;
  const when = status.liked_read_at === null ? "" : `, read ${new Date(1000 * status.liked_read_at).toLocaleString()}`;
  const parts = [status.liked_read_at === null ? "Liked songs are not read yet" : `${counted(status.liked, "liked song")}${when}${status.liked_complete ? "" : ", not all of them yet"}`];
  if (status.playlists.length) parts.push(`Playlists of this program: ${status.playlists.join(", ")}`);
  if (status.unfinished) parts.push("A run ended early; writing again goes on with it");
  byId("liked-line").textContent = `${parts.join(". ")}.`;
  byId("read-liked").textContent = status.liked_read_at === null ? "Read liked songs" : status.liked_complete ? "Read again" : "Go on reading";
  byId("read-liked").classList.toggle("main", !status.liked_complete);
}

async function load() {
  ({ rows, choices, changes } = await api.songs());
  bySong = new Map(rows.map((row) => [row.id, row]));
  byId("songs").hidden = !rows.length;
  if (!isOffered) sources.set(await api.sources());
  isOffered = true;
  plan.forget();
  table.setRows(rows);
  offer();
}

function offer() {
  const counts = tally(rows, choices);
  choices = [...counts.keys()];
  const present = [...counts].filter(([, number]) => number);
  filters.offer(present);
  plan.setGenres(present.filter(([genre]) => genre !== UNKNOWN));
  const number = (test) => rows.filter(test).length;
  const parts = [`${number((row) => row.place === "playlist")} with a genre`, `${number((row) => row.place === "unknown")} unknown`,
    `${number((row) => row.place === "no features")} that no source knows`];
  const [byHand, skipped] = [number((row) => row.by_hand), number((row) => row.place === "skipped")];
  if (byHand) parts.push(`${byHand} moved by hand`);
  if (skipped) parts.push(`${skipped} that cannot go to a playlist`);
  byId("song-summary").textContent = `${counted(rows.length, "song")}: ${parts.join(", ")}.`;
}

const rowOf = (id) => bySong.get(id) ?? { id, title: "", artist: "", place: "", source: "", reason: "" };

function fillTitle(cell, row) {
  cell.title = titleOf(row);
  const link = cell.querySelector("a");
  if (link && row.url) {
    // In its place, which keeps the focus.
    link.href = row.url;
    link.textContent = titleOf(row);
  } else cell.replaceChildren(row.url ? outward(row.url, titleOf(row)) : titleOf(row));
}

function sureWords(row) {
  if (row.by_hand) return "by hand";
  return row.confidence === null ? "–" : percent(row.confidence);
}

async function connect(event) {
  event.preventDefault();
  try {
    const { address } = await api.login(byId("client-id").value.trim(), byId("login-public").checked);
    location.assign(address);
  } catch (error) {
    line.say(error.message, true);
  }
}

async function disconnect() {
  const sentence = "The login and everything that is kept of the account on this machine is deleted, also which songs you moved. " +
    "Playlists stay in Spotify; what was written can no longer be undone here.";
  if (!await agreed("Disconnect from Spotify?", sentence, "Disconnect")) return;
  try {
    await api.disconnect();
    plan.forget();
    await refresh();
    line.say("Disconnected; token and songs are deleted from this machine.");
    byId("client-id").focus();
  } catch (error) {
    line.say(error.message, true);
  }
}

async function move({ id }, genre) {
  try {
    ({ changes } = await api.moveSongs({ [id]: genre }));
    plan.forget();
    if (genre === null) {
      await load();
      const row = rowOf(id);
      line.say(row.place === "no features" ? `${nameOf(row)} has no genre now; find genres to ask the sources for it.` : "Taken back.");
      return;
    }
    // The rows may have been loaded again since the dialog was opened.
    const row = rowOf(id);
    const place = genre.toLowerCase() === UNKNOWN ? "unknown" : "playlist";
    Object.assign(row, { genre, place, by_hand: true, confidence: 1, source: "moved by hand", reason: null });
    if (!choices.includes(genre)) choices.splice(choices.indexOf(UNKNOWN), 0, genre);
    table.update(row);
    offer();
    line.say(`${nameOf(row)} is ${genre} from now on.`);
  } catch (error) {
    line.say(error.message, true);
  }
}

async function find(order) {
  if (await run({ kind: "find", ...order })) plan.minimum.value = String(Math.round(100 * order.min_confidence));
}

async function runPlan(kind, order) {
  if (order.public && !status.public) {
    line.say("This login does not allow public playlists; connect again and allow them, or choose private ones.", true);
    return null;
  }
  return run({ kind, ...order });
}

async function run(order) {
  underWay += 1;
  try {
    const { task } = await api.beginAccountTask(order);
    return await follow(task);
  } catch (error) {
    line.say(error.message, true);
    return null;
  } finally {
    underWay -= 1;
  }
}

async function follow(task) {
  underWay += 1;
  try {
    const ended = await line.follow(task);
    const { kind, state, result } = ended;
    // It may have ended because the login did.
    await refresh();
    if (state === "failed") line.say(ended.error, true);
    else if (state === "stopped") line.say("Stopped; what was done is kept.");
    else if (state === "done" && kind === "liked") line.say(`${counted(result.songs, "liked song")} read.`);
    else if (state === "done" && kind === "find") line.say(`${counted(result.songs, "song")} found in the sources.`);
    else if (state === "done" && (kind === "apply" || kind === "undo")) line.say("Done.");
    else line.say("");
    return state === "done" ? result : null;
  } finally {
    underWay -= 1;
  }
}

// Other tabs may be at work on the account.
async function look() {
  if (underWay || status === null || status.missing !== null || byId("spotify").hidden || document.hidden) return;
  underWay += 1;
  try {
    const { task, changes: now } = await api.accountTask(true);
    // What somebody began here meanwhile is followed there.
    if (underWay > 1) return;
    if (task?.state === "running") await follow(task);
    else if (now !== changes) await refresh();
  } catch {
    // The next look, or what somebody does, tells.
  } finally {
    underWay -= 1;
  }
}
