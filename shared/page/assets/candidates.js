// What a query could have been given to: every model on every resource, with what
// is predicted now, and why it won or lost.
import { call } from "./api.js";
import { dollars, element, milliseconds, percent } from "./words.js";

const shownFirst = 6; // candidates, until all are asked for
const most = 60; // that are read: the best

// candidates is a line that opens to the candidates of a query.
export function candidates(query) {
  const details = element("details", "candidates", element("summary", "", `Why ${query.model} was chosen, and not another model`));
  details.addEventListener("toggle", () => details.open && open(details, query.id), { once: true });
  return details;
}

async function open(details, id) {
  const at = element("div", "", "reading…");
  details.append(at);
  try {
    show(at, await call(`/v1/queries/${encodeURIComponent(id)}/explain?limit=${most}`));
  } catch (fault) {
    at.textContent = fault.message;
  }
}

function show(at, { choice, predicted_ms: predicted, candidates: all }) {
  const body = element("tbody", "", ...all.slice(0, shownFirst).map(row));
  const table = element("table", "", element("thead", "", element("tr", "", ...["model", "on", "latency", "accuracy", "$ per million queries", "reason"].map(head))), body);
  const box = element("div", "scroll", table, { tabIndex: 0, role: "group", ariaLabel: "Candidates" });
  const more = element("button", "plain", `Show all ${all.length}`, { hidden: all.length <= shownFirst });
  more.addEventListener("click", () => { body.replaceChildren(...all.map(row)); more.hidden = true; });
  at.replaceChildren(element("p", "", `Chosen: ${choice}. ${predicted > 0 ? `Predicted latency: ${milliseconds(predicted)}` : "No latency was predicted, because no worker was ready"}. Candidates under the present load:`), box, more);
}

const head = (text, i) => element("th", i > 1 && i < 5 ? "num" : "", text);

function row(c) {
  const on = c.resource.memory_mb ? `function, ${c.resource.memory_mb} MB` : `worker, ${c.resource.name}`;
  const figures = [milliseconds(c.latency_ms), percent(c.accuracy, 2), dollars(1e6 * c.price_usd)].map((f) => element("td", "num", f));
  return element("tr", c.feasible ? "" : "lost", element("th", "", c.model, { scope: "row" }), element("td", "", on), ...figures, element("td", "wrap", c.reason));
}
