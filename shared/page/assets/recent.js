// The newest queries. Each opens to show where it ran and why; what is open
// stays open while the list moves on.
import { terminal } from "./api.js";
import { candidates } from "./candidates.js";
import { answerOf, byId, element, milliseconds, percent, place, story } from "./words.js";

const shown = new Map(); // items by id

export function showRecent(queries) {
  byId("recent-none").hidden = queries.length > 0;
  place(byId("recent"), queries.map(keep));
  for (const [id, item] of shown) if (!item.isConnected) shown.delete(id);
}

// keep returns the item of a query, made anew only when its state changed.
function keep(query) {
  const item = shown.get(query.id) ?? element("li");
  if (item.dataset.state !== query.state) {
    const details = element("details", "", summary(query));
    details.addEventListener("toggle", () => details.append(story(query), query.result ? candidates(query) : ""), { once: true });
    details.open = item.firstChild?.open ?? false;
    item.replaceChildren(details);
    item.dataset.state = query.state;
    shown.set(query.id, item);
  }
  return item;
}

function summary(query) {
  const kind = query.served_by?.kind;
  const chip = element("span", `chip ${kind ?? query.state}`, kind ?? query.state);
  const late = terminal(query) && query.met_slo === false;
  const time = element("span", late ? "num late" : "num", query.latency_ms == null ? "" : milliseconds(query.latency_ms));
  if (late) time.title = "missed its latency bound";
  return element("summary", "", element("span", "what", what(query)), chip, time);
}

function what(query) {
  if (query.failure) return `${query.failure.code}: ${query.failure.detail}`;
  const top = query.result?.top?.[0];
  return `${query.result ? `${answerOf(query.result)}${top ? ` ${percent(100 * top.score, 0)}` : ""} · ` : ""}${query.model}, ${query.class}`;
}
