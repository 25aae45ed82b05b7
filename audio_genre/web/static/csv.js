// Answers as a table, with the columns of Classification.to_frame and one for what went wrong.
const FACTS = ["path", "genre", "confidence", "reason", "distance", "model", "error"];

function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf(answers) {
  const genres = [...new Set(answers.flatMap((answer) => Object.keys(answer.probabilities ?? {})))];
  const header = [...FACTS, ...genres.map((genre) => `p(${genre})`)];
  const rows = answers.map((answer) => [
    ...FACTS.map((name) => answer[name]),
    ...genres.map((genre) => answer.probabilities?.[genre]),
  ]);
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
