// What is told of playlists of an account that are, or would be, changed or taken back.
import { make, outward } from "./dom.js";
import { counted, trackList } from "./plan.js";

const PLACES = { unknown: "unknown", "no features": "no source knows them", skipped: "left out" };

// `name(id)` says what a song is called, `why(id)` where its genre comes from.
export function written(found, name, why) {
  const would = found.applied ? "" : " would be";
  const parts = [make("h3", {}, found.applied ? "Written" : "Preview: nothing is written yet"),
    make("p", {}, `${counted(found.made, "playlist")}${would} made, ${counted(found.added, "song")}${would} added, ${found.removed}${would} removed.`),
    ...found.notes.map((note) => make("p", {}, note)), ...found.playlists.map((each) => playlist(each, found.applied, name, why))];
  if (!found.playlists.length) parts.push(make("p", {}, "No song goes to a playlist."));
  for (const [place, words] of Object.entries(PLACES)) {
    const left = found.left_out.filter((each) => each.place === place);
    if (left.length) parts.push(trackList(`No playlist, ${words}: ${counted(left.length, "song")}`, left.length, (k) => `${name(left[k].id)} (${left[k].reason})`));
  }
  return parts;
}

function playlist(each, isApplied, name, why) {
  const verb = (done, planned) => (isApplied ? done : planned);
  const list = (ids, words) => (ids.length ? trackList(`${words}: ${counted(ids.length, "song")}`, ids.length, (k) => `${name(ids[k])}${why(ids[k])}`) : null);
  return make("div", { class: "playlist" },
    make("p", {}, make("strong", {}, each.url ? outward(each.url, each.name) : each.name), each.is_new ? " (new)" : "",
      `: ${each.add.length} ${verb("added", "to add")}, ${each.remove.length} ${verb("removed", "to remove")}, ${each.kept} kept`),
    list(each.add, verb("Added", "To add")), list(each.remove, verb("Removed", "To remove")),
    list(each.stale, "Stays, though it does not belong there any more"), list(each.taken_out, "Not added again, because you took it out"));
}

export function takenBack(found) {
  const began = new Date(1000 * found.started).toLocaleString();
  return [make("h3", {}, found.applied ? "Taken back" : "What would be taken back"),
    make("p", {}, `The run of ${began}: ${counted(found.added, "song")} added, ${found.removed} removed, ${counted(found.made, "playlist")} made.`),
    ...found.left.map((sentence) => make("p", {}, sentence))];
}
