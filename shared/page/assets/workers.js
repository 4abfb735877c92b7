// The workers by name and state, a page at a time.
import { watch, restart } from "./live.js";
import { byId, element, on, percent, put, say } from "./words.js";

const page = 20; // workers shown together
let from = 0;

export function startWorkers() {
  on("of-state", "change", () => { from = 0; restart(); });
  on("workers-back", "click", () => { from = Math.max(0, from - page); restart(); });
  on("workers-on", "click", () => { from += page; restart(); });
  watch(path, show, without);
}

function path() {
  const asked = new URLSearchParams({ offset: from, limit: page });
  if (byId("of-state").value) asked.set("state", byId("of-state").value);
  return `/v1/workers?${asked}`;
}

// without hides the workers where they are not served, and else says why they cannot be read.
function without(fault) {
  byId("workers-box").hidden = fault.status === 404;
  say("workers-none", `The workers cannot be read: ${fault.message}`);
}

function show({ workers, total }) {
  if (from >= total) from = Math.max(0, page * (Math.ceil(total / page) - 1));
  put(byId("workers"), workers.map(row));
  say("workers-none", workers[0] ? "" : "There is no worker.");
  byId("workers").closest("div").hidden = !workers.length;
  byId("workers-pages").hidden = total <= page;
  byId("workers-which").textContent = `${from + 1} to ${from + workers.length} of ${total}`;
  byId("workers-back").disabled = from === 0;
  byId("workers-on").disabled = from + page >= total;
}

function row(w) {
  const name = element("th", "", w.id, { scope: "row" });
  return element("tr", "", name, element("td", "", w.state), element("td", "num", `${w.busy} of ${w.runners}`),
    element("td", "num", percent(100 * (w.used ?? 0), 0)), element("td", "num", String(w.queued)), element("td", "num", String(w.answered)));
}
