// What the controller decided: the last moves of the fleet, and the last tick.
import { byId, clock, element } from "./words.js";

// showDecisions lists ticks, newest first; those that say the same as the one
// before them are one line.
export function showDecisions(ticks) {
  const shown = [];
  for (const t of ticks) {
    if (shown.length && shown.at(-1).line === t.line) continue;
    shown.push(t);
  }
  byId("decisions").replaceChildren(...shown.slice(0, 8).map(line));
  byId("decisions-none").hidden = shown.length > 0;
}

function line(t) {
  const at = element("time", "", clock(t.at));
  at.dateTime = t.at;
  at.title = `paragon explain --tick ${t.id}`;
  const failed = t.outcome?.startsWith("failed") ? element("b", "", ` ${t.outcome}`) : "";
  return element("li", t.moves ? "moves" : "", at, ` ${t.line}`, failed);
}
