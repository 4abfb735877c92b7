// What became of queries over hours and days: charts, and a table of models.
import { Chart, library } from "./charts.js";
import { watch, restart } from "./live.js";
import { showCost } from "./stage.js";
import { byId, dollars, drawn, element, milliseconds, on, percent, put } from "./words.js";

const rowsShown = 12; // of the models at first
const rowsAFrame = 10;
let charts; // made when there is something to draw
let last = null;
let showing = 0, drawing = 0; // so that older rows and charts give way to newer ones
let allModels = false;
let costs = null; // names of the lines of costs that the user chose
const stage = "this stage", plain = "plain function";
const colours = ["relaxed", "good", "hold", "bad", "ink"];
const dashes = [[4, 3], [2, 3], [9, 3]];

const perSecond = (v) => `${v < 10 ? +v.toFixed(2) : Math.round(v)}/s`;
const number = (v) => String(+v.toFixed(1));
const inPercent = (v) => percent(v, v >= 99 && v < 100 ? 2 : 0);
const both = [{ label: "strict", colour: "strict" }, { label: "relaxed", colour: "relaxed" }];

const specs = {
  throughput: { title: "Answers per second", write: perSecond, lines: [...both, { label: "errors", colour: "bad", dash: [4, 3] }] },
  latency: { title: "Latency", write: milliseconds, lines: [{ label: "p50", colour: "good" }, { label: "p95", colour: "relaxed" }, { label: "p99", colour: "strict" }] },
  met: { title: "Answered within the latency bound", write: inPercent, least: 100, zoom: true, lines: both },
  overflow: { title: "Answered by functions", write: inPercent, least: 1, lines: both },
  cold: { title: "Cold starts per minute", write: number, least: 1, lines: both },
  waiting: { title: "Messages in the queues", write: number, least: 2, lines: [{ label: "waiting", colour: "strict" }] },
  queue: { title: "Age of the oldest message", write: milliseconds, lines: [{ label: "age", colour: "strict" }] },
  workers: { title: "Workers", write: number, least: 2, lines: [{ label: "ready", colour: "good" }, { label: "wanted", colour: "quiet", dash: [4, 3] }] },
  cost: { title: "Cost since the start of the chart", write: dollars, lines: [] },
};

export function startHistory() {
  on("window", "change", restart);
  on("of-model", "change", restart);
  on("of-class", "change", () => last && drawAll(last));
  on("cost-lines", "change", () => {
    costs = [...document.querySelectorAll("#cost-lines :checked")].map((box) => box.value);
    return drawAll(last);
  });
  on("more-models", "click", () => { allModels = true; return showModels(last?.models ?? []); });
  watch(path, show, (fault) => { if (fault.status === 404) byId("history").hidden = true; }); // this stage keeps none
}

function path() {
  const asked = new URLSearchParams({ hours: document.querySelector("input[name=hours]:checked").value });
  const [task, model] = byId("of-model").value.split("\n");
  if (model) { asked.set("task", task); asked.set("model", model); }
  return `/v1/history?${asked}`;
}

async function show(h) {
  last = h;
  byId("history").hidden = false;
  if (h.at_unix_seconds[0] && !byId("cost").dataset.since) showCost(running(h.cost_usd).at(-1), 1000 * h.at_unix_seconds[0]);
  await drawAll(h);
  if (h !== last) return; // another one has come
  await showModels(h.models ?? []);
  offer(h.models ?? []);
}

async function drawAll(h) {
  const mine = ++drawing;
  await library;
  if (!charts) {
    charts = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, new Chart(byId("charts"), spec)]));
    charts.cost.figure.append(byId("cost-lines")); // once: what is moved loses the focus
  }
  const [from, to] = [Date.parse(h.from) / 1000, Date.parse(h.to) / 1000];
  for (const [name, lists] of Object.entries(listsOf(h))) {
    await drawn();
    if (mine !== drawing) return; // another one has begun
    charts[name].draw([h.grid, ...lists], from, to);
  }
}

// listsOf makes the lists of each chart, with nothing where the stage was not up.
function listsOf(h) {
  const { at, pick } = gridOf(h);
  h.grid = at;
  const [s, r] = [h.classes.strict, h.classes.relaxed];
  const rate = (list) => list.map((n) => n / h.step_seconds);
  const perMinute = (list) => list.map((n) => (60 * n) / h.step_seconds);
  const sum = (...lists) => lists[0].map((_, i) => lists.reduce((n, l) => n + l[i], 0));
  const share = (part, whole) => whole.map((n, i) => (n ? (100 * part[i]) / n : null));
  const ended = (c) => sum(c.answered, c.failed, c.expired);
  const class_ = h.classes[byId("of-class").value];
  const times = (list) => list.map((ms, i) => (class_.answered[i] ? ms : null));
  const wrong = ["failed", "expired", "refused"].flatMap((k) => [s[k], r[k]]);
  return mapped(pick, {
    throughput: [rate(s.answered), rate(r.answered), rate(sum(...wrong))],
    latency: [times(class_.p50_ms), times(class_.p95_ms), times(class_.p99_ms)],
    met: [share(s.met, ended(s)), share(r.met, ended(r))],
    overflow: [share(s.overflowed, s.answered), share(r.overflowed, r.answered)],
    cold: [perMinute(s.cold_starts), perMinute(r.cold_starts)],
    waiting: [h.queued],
    queue: [h.oldest_ms],
    workers: [h.workers_ready, h.workers_wanted],
    cost: costsOf(h),
  });
}

// costsOf makes the lists of the chart of costs, and its lines: this stage and the schemes that the
// user chose, at first the cheapest scheme and the plain function.
function costsOf(h) {
  const others = h.others_usd ?? {};
  const all = Object.fromEntries(Object.entries({ [stage]: h.cost_usd, ...others }).map(([name, list]) => [name, running(list)]));
  const names = Object.keys(all);
  const [cheapest] = names.filter((n) => n !== stage && n !== plain).sort((a, b) => all[a].at(-1) - all[b].at(-1));
  const shown = names.filter((n) => (costs ?? [stage, cheapest, plain]).includes(n));
  const boxes = byId("cost-lines");
  boxes.hidden = !names[1];
  put(boxes.lastChild, names.map((value) => element("label", "", element("input", "", { type: "checkbox", value }), value)));
  for (const box of boxes.querySelectorAll("input")) box.checked = shown.includes(box.value);
  if (specs.cost.lines.map((l) => l.label).join() !== shown.join()) specs.cost.lines = shown.map((label) => line(label, names.indexOf(label) - 1));
  return shown.map((n) => all[n]);
}

function line(label, i) {
  if (i < 0) return { label, colour: "strict" };
  return label === plain ? { label, colour: "quiet", dash: [6, 3] } : { label, colour: colours[i % 5], dash: dashes[Math.floor(i / 5) % 3] };
}

const mapped = (pick, all) => Object.fromEntries(Object.entries(all).map(([name, lists]) => [name, lists.map(pick)]));

// gridOf is every step between the first row and the last, and what puts a list
// of the rows on it.
function gridOf(h) {
  const rows = h.at_unix_seconds, index = new Map(rows.map((t, i) => [t, i]));
  const at = [];
  for (let t = rows[0]; t <= rows.at(-1); t += h.step_seconds) at.push(t);
  const pick = (list) => at.map((t) => (list && index.has(t) ? list[index.get(t)] : null));
  return { at, pick };
}

function running(list) {
  let sum = 0;
  return list.map((v) => (sum += v));
}

async function showModels(models) {
  const rows = models.toSorted((a, b) => ended(b) - ended(a));
  const shown = allModels ? rows : rows.slice(0, rowsShown);
  const mine = ++showing, made = [], body = byId("models");
  for (const m of shown) {
    if (made.push(row(m)) % rowsAFrame === 0) {
      if (made.length > body.childElementCount) put(body, made);
      await drawn();
    }
    if (mine !== showing) return;
  }
  put(body, made);
  byId("models-none").hidden = rows.length > 0;
  byId("more-models").hidden = shown.length === rows.length;
  byId("more-models").textContent = `Show all ${rows.length} rows`;
}

const ended = (m) => m.answered + m.failed + m.expired;

function row(m) {
  const part = (n, of) => (of ? percent((100 * n) / of) : "–");
  const wrong = (m.failed ?? 0) + (m.expired ?? 0);
  const figures = [
    String(m.answered), ...["p50_ms", "p95_ms", "p99_ms"].map((q) => (m.answered ? milliseconds(m.latency[q]) : "–")), part(m.met, ended(m)),
    part(m.overflowed, m.answered), String(wrong), m.answered ? dollars((1e6 * m.cost_usd) / m.answered) : "–",
  ];
  const name = element("th", "", m.model || "no model", { scope: "row" });
  return element("tr", "", name, element("td", "", m.class), ...figures.map((f, i) => element("td", i === 6 && wrong ? "num late" : "num", f)));
}

// offer lists the models to choose from, unless they are listed already.
function offer(models) {
  const names = [...new Set(models.filter((m) => m.model).map((m) => `${m.task}\n${m.model}`))].sort();
  const at = byId("of-model");
  if (at.dataset.names === names.join()) return;
  at.dataset.names = names.join();
  const chosen = at.value;
  at.replaceChildren(new Option("all models", ""), ...names.map((n) => new Option(n.split("\n")[1], n)));
  at.value = names.includes(chosen) ? chosen : "";
}
