// Long work of the server: how far it is, and a button that stops it; any view may use it.
import { make } from "./dom.js";

const ASK_MS = 400;

const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

function words(task, names) {
  const what = names[task.kind];
  const left = task.seconds_left === null ? "" : `, about ${duration(task.seconds_left)} left`;
  const failed = task.failures ? `, ${task.failures} failed` : "";
  if (task.step) {
    const [done, total] = task.step;
    const count = total === null ? (done ? `: ${done}` : "") : `: ${done} of ${total}`;
    return `${what}${count}${task.remark ? ` (${task.remark})` : ""}${left}`;
  }
  if (!task.todo) return `${what}: ${task.found} files found…`;
  const known = task.found > task.todo ? `, ${task.found - task.todo} known before` : "";
  return `${what}: ${task.done} of ${task.todo} files${failed}${known}${left}`;
}

// `api` has `task()` and `stop()`; `names` says what each kind of work is called.
export class TaskLine {
  constructor(api, names) {
    this.api = api;
    this.names = names;
    this.text = make("p", { role: "status" });
    this.bar = make("progress", { "aria-label": "Progress", max: "1" });
    this.stop = make("button", { type: "button", onclick: () => this.#stop() }, "Stop");
    this.notes = make("ul", { class: "notes" });
    this.work = make("div", { class: "work", hidden: true }, this.bar, this.stop);
    this.more = make("details", { hidden: true }, make("summary", {}, "Messages"), this.notes);
    this.element = make("div", { class: "task" }, this.text, this.work, this.more);
  }

  say(sentence, isError = false) {
    this.text.textContent = sentence;
    this.text.classList.toggle("error", isError);
  }

  // Shows the work until it is over, and returns it.
  async follow(task) {
    const number = task.number;
    this.stop.disabled = false;
    try {
      while (task.state === "running") {
        this.#show(task);
        await wait(ASK_MS);
        ({ task } = await this.api.task());
        // Another tab has begun something else since; what came of this is not told any more.
        if (task.number !== number) return { ...task, state: "gone" };
      }
    } finally {
      this.work.hidden = true;
    }
    this.#list(task.notes);
    return task;
  }

  #show(task) {
    this.say(words(task, this.names));
    const [done, total] = task.step ?? [task.done, task.todo];
    if (total) this.bar.value = done / total;
    else this.bar.removeAttribute("value");
    this.work.hidden = false;
    this.#list(task.notes);
  }

  #list(notes) {
    this.more.hidden = !notes.length;
    if (this.notes.childElementCount !== notes.length) this.notes.replaceChildren(...notes.map((note) => make("li", {}, note)));
  }

  async #stop() {
    this.stop.disabled = true;
    this.say("Stopping…");
    await this.api.stop().catch((error) => this.say(error.message, true));
  }
}
