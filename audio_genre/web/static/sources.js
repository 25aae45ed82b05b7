// Where the genres of liked songs come from: tables that are sent to the server, its music folder, ReccoBeats.
import * as api from "./api.js";
import { make } from "./dom.js";

const NO_MODEL = "Start the server with --models DIR, with a model of tables of tracks in it (audio-genre train baseline).";

// `find(order)` asks the sources; `failed(sentence)` is told what is wrong.
export class Sources {
  constructor({ find, failed }) {
    this.failed = failed;
    this.boxes = {};
    this.names = {};
    this.tables = {};
    this.model = make("select", { id: "source-model" });
    this.noModel = make("p", { class: "hint", hidden: true }, NO_MODEL);
    this.least = make("input", { type: "number", id: "source-least", min: "0", max: "100", step: "5", value: "0", inputmode: "numeric" });
    this.musicName = make("span");
    this.element = make("form", { onsubmit: (event) => { event.preventDefault(); find(this.order()); } },
      make("fieldset", {}, make("legend", {}, "Where genres come from; the first that knows a song is believed"),
        make("ol", { class: "sources" },
          make("li", {}, this.#tick("corrections", "Your own table of genres"), this.#file("corrections", "Table of genres"),
            make("p", { class: "hint" }, "CSV with the column genre, and track_id, isrc, or title and artists.")),
          make("li", {}, this.#tick("music", "Your audio files ", this.musicName),
            make("p", { class: "hint" }, "Matched by ISRC, or title, artist and length; heard by the model that is chosen under Models.")),
          make("li", {}, this.#tick("features", "A table of track features"), this.#file("features", "Table of track features"),
            make("p", { class: "hint" }, "CSV such as Exportify's; the model below says what its rows are.")),
          make("li", {}, this.#tick("reccobeats", "ReccoBeats, online"),
            make("p", { class: "hint" }, "Sends the Spotify ids of the songs that nothing above knows to reccobeats.com, a third party; the model below says what its answers are."))),
        make("p", {}, make("label", { for: "source-model" }, "Model of track features "), this.model), this.noModel,
        make("p", {}, make("label", { for: "source-least" }, "Ask the next one where one is less sure than "), this.least, " %"),
        make("p", { class: "buttons" }, make("button", { class: "main" }, "Find genres"))));
  }

  #tick(key, ...words) {
    this.boxes[key] = make("input", { type: "checkbox", id: `source-${key}` });
    return make("label", { class: "tick" }, this.boxes[key], make("span", {}, ...words));
  }

  #file(role, label) {
    this.names[role] = make("span", { class: "quiet", role: "status" });
    const input = make("input", { type: "file", id: `file-${role}`, accept: ".csv,.tsv,.txt,.parquet", hidden: true, "aria-label": label });
    const button = make("button", { type: "button", "aria-label": `${label}: choose file`, onclick: () => input.click() }, "Choose file…");
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file) return;
      try {
        const { name } = await api.sendTable(role, file);
        this.#have(role, name);
        this.boxes[role].checked = !this.boxes[role].disabled;
      } catch (error) {
        this.failed(error.message);
      }
      // The same file may be chosen again after a change.
      input.value = "";
    });
    return make("p", { class: "file" }, button, input, this.names[role]);
  }

  #have(role, name) {
    this.tables[role] = name;
    this.names[role].textContent = name ?? "no file yet";
    this.boxes[role].disabled = !name || (role === "features" && !this.model.length);
  }

  // Shows what there is on the server, and what was chosen last.
  set({ music, models, tables, chosen }) {
    this.tables = {};
    this.model.replaceChildren(...models.map((name) => make("option", { value: name }, name)));
    this.model.disabled = this.boxes.reccobeats.disabled = !models.length;
    this.noModel.hidden = models.length > 0;
    this.boxes.music.disabled = music === null;
    this.musicName.textContent = music === null ? "(start the server with --music DIR)" : `below “${music}”`;
    for (const role of Object.keys(this.names)) this.#have(role, tables[role]);
    for (const [key, box] of Object.entries(this.boxes)) box.checked = Boolean(chosen[key]) && !box.disabled;
    if (models.includes(chosen.model)) this.model.value = chosen.model;
    this.least.value = String(Math.round(100 * (chosen.min_confidence ?? 0)));
  }

  order() {
    const isTicked = Object.entries(this.boxes).map(([key, box]) => [key, box.checked && !box.disabled]);
    return {
      sources: { ...Object.fromEntries(isTicked), model: this.model.value || null },
      min_confidence: Math.min(100, Math.max(0, Number(this.least.value) || 0)) / 100,
    };
  }
}
