// What the controller decided: the last moves of the fleet, and the last tick.
// Each opens to what it weighed; what is open stays open while the list moves on.
import { call } from "./api.js";
import { byId, clock, element, place } from "./words.js";

const shown = new Map(); // item by its line and how many newer ones have the same

// showDecisions lists ticks, newest first; those that say the same as the one
// before them are one line.
export function showDecisions(ticks) {
  const lines = ticks.filter((t, i) => t.line !== ticks[i - 1]?.line).slice(0, 8);
  const items = new Map();
  for (const t of lines) {
    let key = t.line;
    while (items.has(key)) key += "\n";
    const e = shown.get(key) ?? item(t);
    e.querySelector("time").textContent = clock(t.at);
    items.set(key, e);
  }
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

function item(t) {
  const failed = t.outcome?.startsWith("failed") ? element("b", "", ` ${t.outcome}`) : "";
  const details = element("details", "", element("summary", "", element("time"), ` ${t.line}`, failed));
  details.addEventListener("toggle", () => details.open && open(details, t.id), { once: true });
  return element("li", t.moves ? "moves" : "", details);
}

// open reads a decision in full.
async function open(details, id) {
  const text = element("pre", "", "reading…");
  text.tabIndex = 0;
  details.append(text);
  try {
    text.textContent = (await call(`/v1/decisions/${encodeURIComponent(id)}`)).explanation;
  } catch (fault) {
    text.textContent = fault.message;
  }
}
