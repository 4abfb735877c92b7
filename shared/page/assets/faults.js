// The faults that are injected into the fleet of one machine: what is in force,
// and a form that injects another.
import { call, repeat, send } from "./api.js";
import { byId, element, on, put } from "./words.js";

const path = "/local/faults";
const every = 10000; // milliseconds between two readings

const kinds = {
  "no-capacity": ["refuse every launch", "launches"],
  "launch-fails": ["refuse the next launches (1 if empty)", "launches"],
  "never-ready": ["launch workers that never become ready", "launches"],
  "slow-boot": ["lengthen the boot of each worker", "seconds", "launches"],
  "die-after": ["kill each worker some time after its start", "seconds", "launches"],
  "spot-after": ["send each worker a spot interruption notice some time after its start", "seconds", "launches"],
  "spot-notice": ["send a worker its spot interruption notice now", "worker"],
  group: ["change the least and the largest number of workers", "min", "max"],
};
const fields = ["seconds", "launches", "worker", "min", "max"];

export function startFaults() {
  byId("fault-kind").replaceChildren(...Object.entries(kinds).map(([kind, [does]]) => new Option(`${kind}: ${does}`, kind)));
  on("fault-kind", "change", choose);
  on("fault-form", "submit", (event) => { event.preventDefault(); inject(); });
  on("fault-clear", "click", () => act(() => clear("")));
  choose();
  repeat(read, every);
}

async function read() {
  try {
    show(await call(path));
  } catch (fault) {
    if (!fault.status) return true; // no answer
    byId("faults").hidden = true; // not served here, or not to this caller, and it stays so
    return false;
  }
}

function choose() {
  const [, ...takes] = kinds[byId("fault-kind").value];
  for (const f of fields) byId(`fault-${f}`).closest("label").hidden = !takes.includes(f);
}

function show({ faults, group, workers }) {
  byId("faults").hidden = false;
  byId("faults-none").hidden = faults.length > 0;
  byId("fault-clear").hidden = !faults.length;
  byId("fault-group").textContent = `The Auto Scaling group allows ${group.min} to ${group.max} workers; its desired capacity is ${group.desired}.`;
  put(byId("faults-list"), faults.map(item));
  const at = byId("fault-worker");
  const names = (workers ?? []).map((w) => w.id);
  if (at.dataset.names === names.join()) return; // a choice under way stays
  at.dataset.names = names.join();
  at.replaceChildren(...names.map((n) => new Option(n, n)));
}

function item(f) {
  const until = f.launches ? `launches left: ${f.launches}` : "until it is cleared";
  const text = [f.kind, f.seconds && `${f.seconds} s`, until].filter(Boolean).join(", ");
  const button = element("button", "plain", "Clear", { ariaLabel: `Clear ${f.kind}` });
  button.addEventListener("click", () => act(() => clear(f.kind)));
  return element("li", "", element("span", "", text), button);
}

const clear = (kind) => call(kind ? `${path}?kind=${encodeURIComponent(kind)}` : path, { method: "DELETE" });

function inject() {
  const kind = byId("fault-kind").value;
  const fault = { kind };
  for (const f of kinds[kind].slice(1)) {
    const value = byId(`fault-${f}`).value;
    if (value !== "") fault[f] = f === "worker" ? value : Number(value);
  }
  return act(() => send("POST", path, fault));
}

// act does something to the faults, shows them, and says what was wrong.
async function act(change) {
  for (const f of fields) byId(`fault-${f}`).removeAttribute("aria-invalid");
  try {
    show(await change());
    byId("fault-message").textContent = "Done.";
  } catch (fault) {
    byId(`fault-${fault.field}`)?.setAttribute("aria-invalid", "true");
    byId("fault-message").textContent = fault.field ? `${fault.field}: ${fault.message}` : fault.message;
  }
}
