// The settings of the stage: each opens to a form that changes it within its
// bounds, and to the values that it had before, each of which can be restored.
import { call, send } from "./api.js";
import { watch } from "./live.js";
import { byId, clock, element, on, place, say } from "./words.js";

const historyShown = 10; // earlier values of a setting
const items = new Map(); // by the setting's name
let settings = []; // as they were read last
let version = 0; // of them: a change is refused when others made one since

export function startSettings() {
  on("setting-find", "input", show);
  on("settings-all", "change", show);
  watch(() => "/v1/settings", update, without);
}

// without hides the settings where they are not served, or not to this caller, and else says
// why they cannot be read.
function without(fault) {
  byId("settings").hidden = [403, 404].includes(fault.status);
  say("settings-none", `The settings cannot be read: ${fault.message}`);
}

function update(read) {
  ({ settings, version } = read);
  byId("settings").hidden = false;
  show();
}

// show lists the settings that were searched for: those that differ from their
// defaults, or all.
function show() {
  const words = byId("setting-find").value.trim().toLowerCase();
  const all = byId("settings-all").checked || words !== "";
  const chosen = settings.filter((s) => (all || s.value !== s.default || items.get(s.name)?.open) && `${s.name} ${s.doc}`.toLowerCase().includes(words));
  place(byId("settings-list"), chosen.map(item));
  say("settings-none", chosen[0] ? "" : words ? "No setting contains these words." : "Every setting has its default value.");
}

// item returns the element of a setting with its present value. Its form is made
// when it is opened.
function item(s) {
  let details = items.get(s.name);
  if (!details) {
    details = element("details", "setting", element("summary", "", element("code", "", s.name), " ", element("b"), element("span", "note")));
    details.addEventListener("toggle", () => details.open && details.children.length === 1 && details.append(form(s.name)));
    items.set(s.name, details);
  }
  details.querySelector("summary b").textContent = withUnit(s, s.value);
  details.querySelector("summary .note").textContent = s.value === s.default ? "" : ` default ${withUnit(s, s.default)}`;
  return details;
}

const withUnit = (s, value) => [value, s.unit].filter(Boolean).join(" ");
const range = (s) => s.form ?? (s.one_of ? s.one_of.join(", ") : withUnit(s, `${s.min} to ${s.max}`));
const named = (name) => settings.find((s) => s.name === name);

function form(name) {
  const s = named(name);
  const input = s.one_of ? element("select", "", ...s.one_of.map((v) => new Option(v, v))) : element("input", "", { type: "text", inputMode: s.form ? "text" : "decimal" });
  input.value = s.value;
  const message = element("p", "note", { role: "status" });
  const past = element("ul", "past");
  const set = (value) => change(name, value, input, message, past);
  const save = element("form", "change", element("label", "", `${name}, ${range(s)} `, input), element("button", "plain", "Save"));
  save.noValidate = true;
  save.addEventListener("submit", (event) => { event.preventDefault(); set(input.value.trim()); });
  showPast(name, past, set);
  return element("div", "", element("p", "note", s.doc), save, message, past);
}

// wrongWith says why a value is outside the bounds that the API named; nothing when it is not.
function wrongWith(s, value) {
  if (s.one_of || s.form) return "";
  const n = Number(value);
  if (value === "" || !Number.isFinite(n)) return `${s.name} is not a number`;
  return n < Number(s.min) || n > Number(s.max) ? `${s.name} is not within ${range(s)}` : "";
}

async function change(name, value, input, message, past) {
  const wrong = wrongWith(named(name), value);
  let said;
  input.toggleAttribute("aria-invalid", false);
  try {
    if (wrong) throw new Error(wrong);
    const now = await send("PUT", `/v1/settings/${encodeURIComponent(name)}`, { value, if_version: version });
    input.value = now.value;
    said = `Changed from ${now.before} to ${now.value}, used from the controller's next decision on.`;
  } catch (fault) {
    input.ariaInvalid = "true";
    said = fault.status === 409 ? `${fault.message}: check the present value and try again.` : fault.message;
  }
  await call("/v1/settings").then(update, () => {}); // or as it comes
  await showPast(name, past, (v) => change(name, v, input, message, past));
  message.textContent = said;
}

// showPast lists what a setting was, the newest first, and its default, with a button
// that restores each.
async function showPast(name, list, set) {
  let changes = [];
  try {
    ({ changes } = await call(`/v1/settings/${encodeURIComponent(name)}/history?limit=${historyShown}`));
  } catch (fault) {
    list.replaceChildren(element("li", "note", fault.message));
    return;
  }
  const s = named(name);
  const rows = changes.map((c) => past(s, c.value || s.default, clock(c.at), set));
  list.replaceChildren(...rows, past(s, s.default, "default", set));
}

function past(s, value, when, set) {
  const restore = element("button", "plain", "Restore", { disabled: value === s.value, ariaLabel: `Restore ${value}` });
  restore.addEventListener("click", () => set(value));
  return element("li", "", element("span", "note", when), element("b", "", withUnit(s, value)), restore);
}
