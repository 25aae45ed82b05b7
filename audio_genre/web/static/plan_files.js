// What is told of playlists and tags of files that are, or would be, written or taken back.
import { make } from "./dom.js";
import { counted, trackList } from "./plan.js";

const ACTIONS = {
  write: ["would be written", "written"], keep: ["up to date", "up to date"], remove: ["would be removed", "removed"],
  refuse: ["left as it is: not written by audio-genre, or changed since", "left as it is: not written by audio-genre, or changed since"],
  restore: ["would be restored", "restored"],
};
const did = (action, found) => ACTIONS[action][found.applied ? 1 : 0];

// `name(id)` says what a track is called.
export function written(found, name) {
  const list = found.playlists.map((each) => make("li", {}, `${each.path}: ${counted(each.tracks, "track")}, ${did(each.action, found)}`));
  const parts = [make("h3", {}, found.applied ? "Written" : "Preview: nothing is written yet")];
  if (list.length) parts.push(make("ul", {}, ...list));
  else parts.push(make("p", {}, "No playlists."));
  if (found.left_out) parts.push(make("p", {}, `${counted(found.left_out, "track")} left out: a playlist cannot hold such a name.`));
  if (found.tags) {
    const { written, unchanged, has_genre: other, refused, held_back: held } = found.tags;
    parts.push(make("p", {}, `Tags: ${counted(written, "file")} ${found.applied ? "written" : "would be written"}, ${unchanged} have this genre, ` +
      `${other} another one, ${refused} cannot be tagged${held ? `, ${held} held back because the confidence is too low` : ""}.`));
  }
  return [...parts, ...Object.entries(found.tracks).map(([genre, ids]) =>
    trackList(`${genre}: ${counted(ids.length, "track")}`, ids.length, (k) => name(ids[k])))];
}

export function takenBack(found) {
  const verb = found.applied ? "restored" : "would be restored";
  return [make("h3", {}, found.applied ? "Taken back" : "What would be taken back"),
    make("p", {}, `${counted(found.restored, "tagged file")} ${verb} to the byte${found.refused ? `, ${found.refused} left as they are because they were changed since` : ""}.`),
    make("ul", {}, ...found.playlists.map((each) => make("li", {}, `${each.path}: ${did(each.action, found)}`)))];
}
