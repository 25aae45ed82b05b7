// The API's own description, as a page.
import { make } from "./dom.js";

document.getElementById("example").textContent =
  `TOKEN=$(curl -s ${location.origin}/api/session | python3 -c 'import json,sys; print(json.load(sys.stdin)["token"])')\n` +
  `curl -s -H "x-audio-genre-token: $TOKEN" --data-binary @song.mp3 "${location.origin}/api/clips?name=song.mp3"`;

const { paths } = await (await fetch("/api/openapi.json")).json();
for (const [path, methods] of Object.entries(paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const answers = Object.entries(operation.responses).map(([status, { description }]) => `${status}: ${description}`);
    document.getElementById("operations").append(
      make("h2", {}, make("code", {}, `${method.toUpperCase()} ${path}`)),
      make("p", {}, operation.description ?? operation.summary),
      make("ul", {}, ...(operation.parameters ?? []).map((each) => make("li", {}, `${each.name} (${each.in}): ${each.description ?? each.schema?.type ?? ""}`)),
        ...answers.map((words) => make("li", {}, words))),
    );
  }
}
