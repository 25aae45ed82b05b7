// Asks before something that cannot be taken back.
import { make } from "./dom.js";

export function agreed(title, sentence, verb) {
  return new Promise((resolve) => {
    const close = (answer) => () => {
      dialog.returnValue = answer;
      dialog.close();
    };
    const dialog = make("dialog", { "aria-labelledby": "ask-title", onclose: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } },
      make("h2", { id: "ask-title" }, title), make("p", {}, sentence),
      make("p", { class: "buttons" }, make("button", { type: "button", class: "main", onclick: close("yes") }, verb),
        make("button", { type: "button", autofocus: true, onclick: close("") }, "Cancel")));
    document.body.append(dialog);
    dialog.showModal();
  });
}
