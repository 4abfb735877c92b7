// Dead letters: how many there are, why, and submitting their queries again. They
// are read on request only, because a read hides them from other readers for a moment.
import { call, send } from "./api.js";
import { byId, clock, element, on } from "./words.js";

const most = 20; // dead letters that are read, or submitted again, at once
const buttons = ["letters-show", "letters-redrive"].map(byId);

export function startLetters() {
  on("letters-show", "click", () => act(() => call(`/v1/dead-letters?limit=${most}`, { timeout: 30000 }), "would be "));
  on("letters-redrive", "click", () => act(() => send("POST", "/v1/dead-letters/redrive", { limit: most }, { timeout: 30000 }), ""));
}

// countLetters shows how many dead letters the queues hold, and the buttons to operators.
export function countLetters(queues, operator) {
  const queue = queues["dead-letters"];
  byId("letters").hidden = !queue;
  if (!queue) return;
  byId("letters-none").hidden = queue.visible > 0;
  byId("letters-count").textContent = queue.visible > 0 ? `${many(queue.visible, "query", "queries")} failed too often, or crashed runners.` : "";
  for (const b of buttons) b.hidden = queue.visible === 0 || !operator;
}

const many = (n, one, more) => `${n} ${n === 1 ? one : more}`;
const were = (n) => (n === 1 ? "was " : "were ");

// act reads dead letters or submits them again, and lists each with its result.
async function act(read, would) {
  for (const b of buttons) b.disabled = true;
  try {
    const { letters, waiting } = await read();
    byId("letters-list").replaceChildren(...letters.map((l) => item(l, would)));
    const again = letters.filter((l) => l.outcome === "resubmitted").length;
    byId("letters-message").textContent = `${many(again, "query", "queries")} ${would || were(again)}submitted again, ${many(letters.length - again, "dead letter", "dead letters")} ${would || were(letters.length - again)}dropped. Dead letters left in the queue: ${waiting}.`;
  } catch (fault) {
    byId("letters-message").textContent = fault.message;
  } finally {
    for (const b of buttons) b.disabled = false;
  }
}

function item(l, would) {
  const then = l.outcome === "resubmitted" ? `${would}submitted again${l.as ? ` as ${l.as}` : ""} on ${l.queue}` : `${would}dropped`;
  return element("li", "story", element("p", "", element("b", "", l.id), ` ${l.model}, ${l.class}, accepted ${clock(l.accepted_at)}`), element("p", "", `Reason: ${l.why}`), element("p", "", `Action: ${then}`));
}
