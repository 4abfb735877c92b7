// Numbers and queries in words, and the elements that show them. Text from the
// server only ever becomes text, never markup.

export const byId = (id) => document.getElementById(id);
export const on = (id, event, act) => byId(id).addEventListener(event, act);

// say shows a text, unless it is shown already, or hides its element without one.
export function say(id, text) {
  const at = byId(id);
  if (at.textContent !== text) at.textContent = text;
  at.hidden = !text;
}

// element makes an element with a class and children, which are elements or text, or objects with its properties.
export function element(name, className, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  for (const c of children) {
    if (c?.constructor === Object) Object.assign(e, c);
    else if (c) e.append(c);
  }
  return e;
}

// put makes these nodes the children of a parent, and leaves in place what is equal already,
// with its focus.
export function put(parent, nodes) {
  nodes.forEach((n, i) => {
    const old = parent.childNodes[i];
    if (!old) parent.append(n);
    else if (old.isEqualNode(n)) return;
    else if (n.hasChildNodes() && old.cloneNode().isEqualNode(n.cloneNode())) put(old, [...n.childNodes]);
    else old.replaceWith(n);
  });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

// place makes these elements the children of a list; one that is there already stays as it is.
export function place(list, items) {
  items.forEach((e, i) => list.children[i] === e || list.insertBefore(e, list.children[i] ?? null));
  while (list.children.length > items.length) list.lastChild.remove();
}

// turn waits until the browser has answered what came meanwhile, and drawn until it has drawn too.
export const turn = () => new Promise((done) => { setTimeout(done, 0); });
export const drawn = () => new Promise((done) => { requestAnimationFrame(() => setTimeout(done, 0)); });

export function milliseconds(ms) {
  if (ms == null) return "–";
  if (ms >= 120000) return `${(ms / 60000).toFixed(1)} min`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)} s`;
  return `${ms > 0 && ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

export function dollars(usd) {
  if (!usd) return "$0";
  if (usd < 0.0001) return `$${usd.toFixed(1 - Math.floor(Math.log10(usd)))}`;
  return usd < 0.1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

export const percent = (p, digits = 1) => (p == null ? "–" : `${p >= 99.95 ? 100 : p.toFixed(digits)} %`);

// clock is the time of day, with the date when that is not today.
export function clock(iso) {
  const at = new Date(iso);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString()}, ${time}`;
}

export const answerOf = ({ label, embedding, outputs }) => label ?? (embedding ? `a vector of ${embedding.length} numbers` : outputs ? `the outputs ${outputs.map((o) => o.name).join(", ")}` : "a vector or outputs");

export function ranOn(query) {
  const by = query.served_by;
  if (!by) return "";
  const notes = [];
  if (by.kind === "worker" && by.resource) notes.push(by.resource);
  if (by.memory_mb) notes.push(`${by.memory_mb} MB`);
  if (by.cold) notes.push("cold start");
  if (by.paced) notes.push("slowed down to the profile's service time");
  return `${by.kind} ${by.name}${notes.length ? ` (${notes.join(", ")})` : ""}`;
}

const events = {
  placed: "sent to", declined: "declined by", returned: "returned to",
  retried: "a run failed on", redriven: "put back on", ran: "ran on",
};

// story shows a query's way: every step, with when and why; and, where they do
// not already next to it, the facts.
export function story(query, facts = true) {
  const accepted = Date.parse(query.accepted_at);
  const bound = Date.parse(query.deadline_at) - accepted;
  const known = query.class ? ` as ${query.class}, bound ${milliseconds(bound)}, model ${query.model}` : ""; // not while it has no end
  const steps = element("ol", "", step(0, `accepted${known}`));
  for (const s of query.trail ?? []) {
    const text = `${events[s.event] ?? s.event} ${s.where}`;
    steps.append(step(Date.parse(s.at) - accepted, text, s.why));
  }
  if (query.finished_at) {
    const spent = query.compute_ms != null && query.served_by
      ? `${milliseconds(query.queue_ms)} queued, ${milliseconds(query.compute_ms)} computing${calling(query)}` : "";
    steps.append(step(query.latency_ms, query.state, query.failure ? query.failure.detail : spent));
  }
  const cost = query.cost_usd ? `, ${dollars(query.cost_usd * 1e6)} per million queries` : "";
  const line = [query.id, clock(query.accepted_at), facts && ranOn(query) && `answered on ${ranOn(query)}${cost}`];
  return element("div", "story", steps, element("p", "", line.filter(Boolean).join(" · ")));
}

// calling is the time that a function took in addition to its computing.
function calling(query) {
  if (query.served_by.kind !== "function") return "";
  const by = [query.served_by.cold && "its cold start", query.served_by.paced && "the wait until the profile's service time has passed"].filter(Boolean).join(" and ");
  const rest = Math.max(0, query.latency_ms - query.queue_ms - query.compute_ms);
  return `, ${milliseconds(rest)} calling the function${by ? ` with ${by}` : ""}`;
}

function step(ms, text, why) {
  return element("li", "", element("time", "", `+${milliseconds(Math.max(0, ms))}`), element("b", "", text), why ? `: ${why}` : "");
}
