// Shows the view that the address names.
import * as classify from "./classify.js";
import * as models from "./models.js";

const views = { classify, models };

function show(isFirst = false) {
  const name = location.hash.slice(1) in views ? location.hash.slice(1) : "classify";
  for (const key of Object.keys(views)) {
    document.getElementById(key).hidden = key !== name;
    const link = document.querySelector(`nav a[href="#${key}"]`);
    if (key === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!isFirst) window.scrollTo(0, 0);
  views[name].show();
}

classify.start();
window.addEventListener("hashchange", () => show());
show(true);
