// Makes elements; whatever text comes from a file or a server is set as text only.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

// A link that leaves the page, which stays open.
export const outward = (href, words) => make("a", { href, target: "_blank", rel: "noopener noreferrer" }, words);

export const percent = (share) => `${(100 * share).toFixed(1)} %`;

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const end = `${String(rest).padStart(2, "0")}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${end}` : `${minutes}:${end}`;
}

export function interval(score) {
  if (!score) return "not measured";
  const value = score.value.toFixed(3);
  return score.low === null || score.high === null ? value : `${value} [${score.low.toFixed(3)}, ${score.high.toFixed(3)}]`;
}

export function worthWords(worth) {
  if (!worth.accuracy) return `Model ${worth.model}: its card tells no test accuracy.`;
  const tracks = worth.tracks ? ` of ${worth.tracks} test tracks` : "";
  const fold = worth.fold ? `, ${worth.fold}` : "";
  const leaky = worth.leaky ? "; leaky: parts of a test track were learned from, so expect less" : "";
  const data = worth.data ? `, trained on ${worth.data}` : "";
  return `Model ${worth.model}: accuracy ${interval(worth.accuracy)}${tracks}, protocol ${worth.protocol}${fold}${leaky}${data}.`;
}
