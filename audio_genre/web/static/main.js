// Shows the view that the address names.
import * as classify from "./classify.js";
import * as library from "./library.js";
import * as models from "./models.js";
import * as spotify from "./spotify.js";

const views = { classify, library, spotify, models };

function show(isFirst = false) {
  const [wanted, parameters] = location.hash.slice(1).split("?");
  const name = wanted in views ? wanted : "classify";
  for (const key of Object.keys(views)) {
    document.getElementById(key).hidden = key !== name;
    const link = document.querySelector(`nav a[href="#${key}"]`);
    if (key === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!isFirst) window.scrollTo(0, 0);
  views[name].show(new URLSearchParams(parameters));
}

for (const view of Object.values(views)) view.start?.();
window.addEventListener("hashchange", () => show());
show(true);
