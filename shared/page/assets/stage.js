// The state of the stage: arrivals, bounds kept, overflow, cost, workers, queues.
import { byId, clock, dollars, element, milliseconds, percent, put } from "./words.js";

export function showStage(s) {
  showArrivals(s.classes ?? {});
  for (const name of ["strict", "relaxed"]) showClass(name, s.classes?.[name] ?? {}, s.objective_percent);
  byId("overflow").textContent = s.overflow?.answered ? percent(100 * s.overflow.share) : "–";
  byId("overflow-of").textContent = s.overflow?.answered
    ? `${s.overflow.on_functions} of the last hour's ${s.overflow.answered} answers came from functions` : "no query was answered in the last hour";
  byId("cost").dataset.since = s.cost_since ?? ""; // without it the history says what the stage cost
  if (s.cost_since) showCost(s.cost_usd, s.cost_since);
  showSavings(s.savings);
  showRollouts(s.rollouts ?? [], s.shadows ?? []);
  put(byId("pools"), (s.pools ?? []).map((p) => pool(p, s.desired?.[p.name])));
  put(byId("queues"), Object.entries(s.queues ?? {}).sort(([a], [b]) => order(a) - order(b) || a.localeCompare(b)).map(queue));
  byId("paced").hidden = !s.paced;
  byId("versions").textContent = Object.entries(s.versions ?? {}).map((v) => v.join(" ")).join(", ");
  return [...faults(s), ...notices(s.settings_faults ?? [], s.profile_warnings ?? [])];
}

export function showCost(usd, since) {
  byId("cost").textContent = dollars(usd);
  byId("cost-since").textContent = `since ${clock(since)}`;
}

// showSavings lists what other schemes would have cost, as intervals, or says why
// that is not known.
function showSavings(savings) {
  byId("savings").hidden = !savings;
  if (!savings) return;
  const others = savings.quoted ? (savings.others ?? []) : [];
  put(byId("savings-others"), others.map((o) => other(o, savings.cost_usd ?? 0)));
  byId("savings-others").hidden = !others.length;
  const at = savings.to ? ` The simulation covers the time until ${clock(savings.to)}, in which this stage cost ${dollars(savings.cost_usd)}.` : "";
  const next = savings.next ? ` ${capital(savings.next)}.` : "";
  byId("savings-why").textContent = savings.quoted
    ? `The costs are simulated, within ±${savings.error_percent.toFixed(1)} %: ${savings.why}.${at}${next}` : `These costs are unknown: ${savings.why}.${next}`;
}

// showRollouts lists the models that have several versions: which one is served, which is
// on trial, and what was done last.
function showRollouts(all, shadows) {
  byId("rollouts").hidden = !all.length;
  put(byId("rollouts-of"), all.map((r) => {
    const trial = !r.canary ? "" : r.shadow ? `; version ${r.canary} runs in shadow on ${percent(100 * r.share)} of the queries${ranInShadow(shadows.find((v) => v.version === r.canary))}` : r.share > 0 ? `; version ${r.canary} is on trial with ${percent(100 * r.share)} of the queries` : `; version ${r.canary} answers only queries that name it`;
    const last = r.history?.at(-1);
    const note = last ? ` Last change: ${done[last.action] ?? last.action} ${last.version} at ${clock(last.at)}, by ${last.by}${last.why ? `: ${last.why}` : ""}` : "";
    return element("li", "", element("b", "", r.model), ` is served by version ${r.served}${trial}`, element("span", "note", note));
  }));
}

// ranInShadow says how a version's runs in shadow went in the last hour.
function ranInShadow(v) {
  if (!v) return "";
  const times = v.compute.p50_ms > 0 ? `, median latency ${milliseconds(v.compute.p50_ms)}, and ${milliseconds(v.served.p50_ms)} for the served version` : "";
  return ` (${v.runs} runs in the last hour, ${v.faults} failed, ${percent((100 * v.agreed) / v.runs)} of the results equal those of the served version${times})`;
}

const done = { added: "added", canary: "changed the share of", shadow: "started the shadow runs of", promote: "promoted", rollback: "rolled back" };

const capital = (s) => s.charAt(0).toUpperCase() + s.slice(1);

function other(o, cost) {
  const costs = !o.simulated ? dollars(o.cost_usd) : `${dollars(o.low_usd)} to ${dollars(o.high_usd)}`;
  return element("li", "", element("b", "", o.scheme), ` ${costs} `, element("span", "note", o.low_usd > 0 ? compared(o, cost) : ""));
}

// compared says how much less or more the stage cost, if the interval is clear.
function compared(o, cost) {
  const [low, high] = [o.low_usd, o.high_usd].map((usd) => 100 * (1 - cost / usd));
  const span = (a, b) => (a.toFixed(0) === b.toFixed(0) ? `${a.toFixed(0)} %` : `${a.toFixed(0)} to ${b.toFixed(0)} %`);
  if (low > 0) return `this stage cost ${span(low, high)} less`;
  if (high < -900) return `this stage cost at least ${Math.floor(1 - high / 100)} times as much`;
  return high < 0 ? `this stage cost ${span(-high, -low)} more` : "a difference smaller than the error of the simulation";
}

// faults are what keeps queries from being taken in or answered, as sentences.
function faults(s) {
  const out = s.store_fault ? [`The store cannot be written, so no query is stored: ${s.store_fault}.`] : [];
  for (const w of s.withheld ?? []) out.push(`Model ${w.model} gets no queries: ${w.why}.`);
  for (const b of s.broken ?? []) out.push(`Model ${b.model} fails on ${b.kind === "function" ? "functions" : `worker ${b.name}`} and gets no queries there until ${clock(b.until)}: ${b.why}.`);
  return out;
}

// notices are what needs care, as sentences.
function notices(faults, warnings) {
  const out = faults.length ? [`A stored setting is invalid: ${faults.join("; ")}.`] : [];
  const more = warnings.length > 1 ? ` (the first of ${warnings.length} warnings)` : "";
  if (warnings.length) out.push(`A model's profile may be wrong${more}: ${warnings[0].text}.`);
  return out;
}

const order = (queue) => (queue.startsWith("work-strict") ? 0 : queue.startsWith("work-") ? 1 : queue === "overflow" ? 2 : 3);

function showClass(name, c, objective) {
  const met = byId(`met-${name}`);
  met.textContent = percent(c.attainment_percent);
  met.dataset.tone = c.attainment_percent == null ? "" : c.attainment_percent >= objective ? "good" : c.attainment_percent < 95 ? "bad" : "";
  byId(`met-${name}-of`).textContent = c.recent ? `${c.met} of the last hour's ${c.recent}` : "no query ended in the last hour";
  byId(`burn-${name}`).textContent = burn(c.burn_rate, objective);
  byId(`latency-${name}`).textContent = quantiles(c.last_minute?.latency, "the last minute") || quantiles(c.last_hour?.latency, "the last hour");
  byId(`rate-${name}`).textContent = `${(c.arrivals_per_second ?? 0).toFixed(1)}/s`;
}

// burn names the burn rates that are known.
function burn(rate, objective) {
  const known = [["5 min", rate?.last_five_minutes], ["1 h", rate?.last_hour]].filter(([, r]) => r != null);
  return known.length ? `burn rate ${known.map(([of, r]) => `${r.toFixed(1)} over ${of}`).join(", ")} (at 1 the objective of ${objective} % is just met)` : "";
}

// quantiles names the percentiles of the latencies of some time; nothing when none was answered.
function quantiles(latency, of) {
  if (!latency) return "";
  return `latency in ${of}: p50 ${milliseconds(latency.p50_ms)}, p95 ${milliseconds(latency.p95_ms)}, p99 ${milliseconds(latency.p99_ms)}`;
}

// showArrivals draws strict above relaxed, so that the outline is the whole load.
function showArrivals(classes) {
  const strict = classes.strict?.arrivals_last_minute ?? [];
  const relaxed = classes.relaxed?.arrivals_last_minute ?? [];
  const total = relaxed.map((r, i) => r + (strict[i] ?? 0));
  const top = nice(Math.max(...total, 1));
  const zero = total.map(() => 0);
  draw("relaxed", relaxed, zero, top);
  draw("strict", total, relaxed, top);
  byId("chart-top").textContent = `top of the chart: ${top}/s`;
  byId("chart-title").textContent =
    `Queries per second over the last minute: strict now ${strict.at(-1) ?? 0}, relaxed now ${relaxed.at(-1) ?? 0}, highest total ${Math.max(...total, 0)}`;
}

function nice(n) {
  const unit = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((f) => f * unit).find((f) => f >= n);
}

// draw fills between two series and draws the upper one, in the chart's 600 by 130.
function draw(name, upper, lower, top) {
  const at = (v, i) => `${((i * 600) / Math.max(1, upper.length - 1)).toFixed(1)},${(128 - (v / top) * 124).toFixed(1)}`;
  const above = upper.map(at);
  const below = lower.map(at).reverse();
  const path = above.length ? `M${above.join("L")}` : "";
  document.querySelector(`#chart .line.${name}`).setAttribute("d", path);
  document.querySelector(`#chart .area.${name}`).setAttribute("d", path && `${path}L${below.join("L")}Z`);
}

function pool(p, wanted) {
  const name = element("p", "pool-name", element("span", "", element("b", "", p.name), ` ${p.instance_type}`),
    `${p.answered} answered, ${p.overflowed} sent to functions`);
  const counts = element("div", "counts", wanted == null ? "" : count(wanted, "wanted"), count(p.booting, "booting"), count(p.ready, "ready"), count(p.draining, "draining"), p.stuck ? count(p.stuck, "stuck") : "");
  const busy = element("meter", "", { max: p.runners, value: p.busy, ariaHidden: "true" }); // the line below says it
  return element("div", "pool", name, counts, busy, element("p", "note", `${p.busy} of ${p.runners} runners busy, ${p.queued} queued`));
}

const count = (n, what) => element("div", "count", element("b", "", String(n)), what);

function queue([name, q]) {
  return element("tr", "", element("td", "", name), element("td", "num", String(q.visible)),
    element("td", "num", String(q.in_flight)), element("td", "num", q.visible ? milliseconds(q.oldest_ms) : "–"));
}
