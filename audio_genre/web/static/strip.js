// The genre over time, with a marker that follows the player.
import { clock, make, percent } from "./dom.js";

const COLOURS = 10;

const told = (point) => (point.silent ? "silent" : point.reason === null ? point.genre : "unknown");

// Stretches that follow each other and say the same are one block.
function blocksOf(points) {
  const blocks = [];
  for (const point of points) {
    const last = blocks.at(-1);
    if (last?.name === told(point)) last.to = point.to;
    else blocks.push({ name: told(point), isKnown: point.reason === null, silent: point.silent, from: point.from, to: point.to });
  }
  return blocks;
}

// `drawing` stands above the strip, and the marker goes through both.
export function strip(answer, player, drawing = null) {
  const genres = Object.keys(answer.probabilities);
  const total = answer.seconds || 1;
  const items = blocksOf(answer.timeline).map((block) => {
    const look = block.isKnown ? `g${genres.indexOf(block.name) % COLOURS}` : block.silent ? "silent" : "unknown";
    const item = make("li", { title: `${clock(block.from)}–${clock(block.to)}: ${block.name}` },
      make("div", { class: `block ${look}` }), make("div", { class: "name" }, block.name));
    item.style.width = `${(100 * (block.to - block.from)) / total}%`;
    return item;
  });
  const head = make("div", { class: "head", "aria-hidden": "true" });
  const now = make("p", { class: "now hint" });
  const lane = make("div", { class: "strip" }, drawing, make("ol", { "aria-label": "Genre over time" }, ...items), head);

  const move = () => {
    const time = Math.min(player?.currentTime ?? 0, total);
    head.style.left = `${(100 * time) / total}%`;
    const point = answer.timeline.find(({ to }) => time < to) ?? answer.timeline.at(-1);
    const sure = point.reason === null ? ` ${percent(point.confidence)}` : "";
    now.textContent = `At ${clock(time)} of ${clock(total)}: ${told(point)}${sure}`;
  };
  let frame = 0;
  const follow = () => {
    move();
    frame = player.paused ? 0 : requestAnimationFrame(follow);
  };
  if (player) {
    player.addEventListener("play", () => { frame ||= requestAnimationFrame(follow); });
    player.addEventListener("seeked", move);
    player.addEventListener("timeupdate", move);
    // A short cut for a pointer; the player has the same for the keyboard.
    lane.addEventListener("click", (event) => {
      const box = lane.getBoundingClientRect();
      player.currentTime = (total * (event.clientX - box.left)) / box.width;
    });
  }
  move();
  return make("div", {}, lane, now);
}
