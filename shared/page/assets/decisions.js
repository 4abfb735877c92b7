// What the controller decided: the last moves of the fleet, and the last tick.
// Each opens to what it weighed; what is open stays open while the list moves on.
import { call } from "./api.js";
import { byId, clock, element, place, put } from "./words.js";

const shown = new Map(); // items by what they say

// showDecisions lists ticks, newest first. Of successive ticks that keep the workers of a
// pool, or that say the same, only the newest is listed.
export function showDecisions(ticks) {
  const newer = {};
  const lines = ticks.filter((t) => {
    const next = newer[t.pool];
    newer[t.pool] = t;
    return !next || (t.moves ? t.line !== next.line : next.moves);
  }).slice(0, 8);
  const items = new Map();
  lines.forEach((t, i) => {
    let key = t.moves ? t.line : `${t.pool} after ${lines.slice(i + 1).find((o) => o.pool === t.pool)?.line}`;
    while (items.has(key)) key += "\n";
    items.set(key, update(shown.get(key) ?? item(), t));
  });
  place(byId("decisions"), [...items.values()]);
  shown.clear();
  for (const [key, e] of items) shown.set(key, e);
  byId("decisions-none").hidden = items.size > 0;
  byId("decisions-none").textContent = "The controller has made no decision yet.";
}

// withoutDecisions says why they cannot be read.
export function withoutDecisions(fault) {
  byId("decisions-none").hidden = false;
  byId("decisions-none").textContent = `The decisions cannot be read: ${fault.message}`;
}

function item() {
  const details = element("details", "", element("summary"));
  details.addEventListener("toggle", () => (details.open ? open(details) : details.lastChild.remove()));
  return element("li", "", details);
}

// update shows a tick, unless an earlier one is open.
function update(e, t) {
  const details = e.firstChild;
  if (details.open) return e;
  const failed = t.outcome?.startsWith("failed") ? element("b", "", ` ${t.outcome}`) : "";
  put(details.firstChild, [...element("p", "", element("time", "", clock(t.at)), ` ${t.line}`, failed).childNodes]);
  details.dataset.id = t.id;
  e.className = t.moves ? "moves" : "";
  return e;
}

// open reads a decision in full.
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
