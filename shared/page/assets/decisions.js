// What the controller decided, a page at a time. Each opens to what it weighed; what is
// open stays open while the list moves on.
import { call } from "./api.js";
import { restart, watch } from "./live.js";
import { byId, clock, element, on, place, put, say } from "./words.js";

const shown = new Map(); // items by what they say
let before = "", older; // ids before which decisions are listed, now and on the next page

export function startDecisions() {
  const go = (id, to) => on(id, "click", () => { before = to(); restart(); });
  go("older", () => older);
  go("newest", () => "");
  watch(() => `/v1/decisions?limit=30&before=${before}`, show, (fault) => say("decisions-none", `The decisions cannot be read: ${fault.message}`));
}

// show lists ticks, newest first. Of successive ticks that keep the workers of a pool, or
// that say the same, only the newest is listed.
function show({ decisions: ticks }) {
  const newer = {};
  const all = ticks.filter((t) => {
    const next = newer[t.pool];
    newer[t.pool] = t;
    return !next || (t.moves ? t.line !== next.line : next.moves);
  });
  const lines = all.slice(0, 8);
  const items = new Map();
  lines.forEach((t, i) => {
    let key = t.moves ? t.line : `${t.pool} after ${lines.slice(i + 1).find((o) => o.pool === t.pool)?.line}`;
    while (items.has(key)) key += "\n";
    items.set(key, update(shown.get(key) ?? item(), t));
  });
  place(byId("decisions"), [...items.values()]);
  shown.clear();
  for (const [key, e] of items) shown.set(key, e);
  older = (ticks[ticks.indexOf(all[8]) - 1] ?? ticks.at(-1))?.id;
  byId("older").hidden = !all[8] && ticks.length < 30;
  byId("newest").hidden = !before;
  say("decisions-none", lines[0] ? "" : before ? "There is no older decision." : "The controller has made no decision yet.");
}

function item() {
  const details = element("details", "", element("summary"));
  details.addEventListener("toggle", () => (details.open ? open(details) : details.lastChild.remove()));
  return element("li", "", details);
}

function update(e, t) {
  const details = e.firstChild;
  if (details.open) return e;
  const failed = t.outcome?.startsWith("failed") ? element("b", "", ` ${t.outcome}`) : "";
  put(details.firstChild, [...element("p", "", element("time", "", clock(t.at)), ` ${t.line}`, failed).childNodes]);
  details.dataset.id = t.id;
  e.className = t.moves ? "moves" : "";
  return e;
}

async function open(details) {
  const text = element("pre", "", "reading…");
  text.tabIndex = 0;
  details.append(text);
  try {
    text.textContent = (await call(`/v1/decisions/${encodeURIComponent(details.dataset.id)}`)).explanation;
  } catch (fault) {
    text.textContent = fault.message;
  }
}
