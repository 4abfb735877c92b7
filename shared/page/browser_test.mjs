// Drives the live page in a browser. The Go test of the same folder starts the server
// and names it in PAGE_URL.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { complaintsOf, fits, growWindow, isWhole, laidOut, launch, windows } from "./browser.mjs";

const { PAGE_URL, PAGE_PICTURES, PAGE_TIMES } = process.env;

let browser, page, complaints, mayComplain, requested; // requested are the addresses, in order
let plain; // the page that each test loads anew, unless it opens one of its own: a new process takes as long as many a test

before(async () => { browser = await launch(); });
after(() => browser?.close());

beforeEach(() => (page && page === plain ? reload() : open()));
afterEach(() => { if (!mayComplain) assert.deepEqual(complaints, [], "the console is silent"); });

// open opens a page in a window that shows all of it, unless the options say otherwise: what is not seen is not laid
// out, and has no inner text.
async function open(options, behind = "", { before, go = load } = {}) {
  await page?.context().close();
  [mayComplain, requested] = [false, []];
  page = await (await browser.newContext({ viewport: { width: 1240, height: 5000 }, ...options })).newPage();
  plain = options ? null : page;
  page.setDefaultTimeout(60_000); // other tests may use the processors
  await before?.();
  complaints = complaintsOf(page, PAGE_URL);
  const paths = requested; // of this page
  page.on("request", (r) => paths.push(new URL(r.url())));
  await go(behind);
}

// reload loads the plain page as a new tab would.
async function reload() {
  await page.evaluate(() => sessionStorage.clear());
  [mayComplain, complaints.length, requested.length] = [false, 0, 0];
  await load("");
}

async function load(behind) {
  await page.goto(PAGE_URL + behind);
  await page.locator("#connection[data-state=live]").waitFor();
  await page.locator("#samples img").nth(9).waitFor();
  await laidOut(page);
}

const text = async (selector) => {
  await laidOut(page);
  return page.locator(selector).innerText();
};
const large = (is) => fetch(`${PAGE_URL}/test/large?is=${is}`);
const uncalibrated = (is) => fetch(`${PAGE_URL}/test/uncalibrated?is=${is}`);
const deadLetters = (is) => fetch(`${PAGE_URL}/test/dead?is=${is}`);
const gone = (is) => fetch(`${PAGE_URL}/test/gone?is=${is}`);

const faulty = (is) => fetch(`${PAGE_URL}/test/faulty?is=${is}`);
const silent = (is) => fetch(`${PAGE_URL}/test/silent?is=${is}`);

// watched are the addresses that a request watches, and pathsRead the paths that the
// page has watched or asked for by themselves.
const watched = (url) => url.searchParams.getAll("watch").map((f) => new URL(f, PAGE_URL));
const pathsRead = () => requested.flatMap((url) => [url, ...watched(url)]).map((url) => url.pathname);
const polled = () => requested.filter((url) => url.pathname === "/v1/live");

// watching waits until the page watches an address with these words.
const watching = (words) => page.waitForRequest((r) => r.url().includes("/v1/live") && watched(new URL(r.url())).some((url) => url.href.includes(words)));

const closed = (is) => fetch(`${PAGE_URL}/test/closed?is=${is}`);
const locked = (is) => fetch(`${PAGE_URL}/test/locked?is=${is}`);

// moved waits until each part of the page, a selector and an attribute or its
// text, differs from what it is now.
async function moved(...parts) {
  const was = await page.evaluate((all) => all.map(([of, name]) => {
    const e = document.querySelector(of);
    return name ? e.getAttribute(name) : e.textContent;
  }), parts);
  await page.waitForFunction(([all, before]) => all.every(([of, name], i) => {
    const e = document.querySelector(of);
    return (name ? e.getAttribute(name) : e.textContent) !== before[i];
  }), [parts, was]);
}

// ask submits by a key: parts that come late move the form, and a button that moves between the press and the
// release of a mouse is not clicked. Other tests click.
async function ask() {
  await page.locator("#submit").press("Enter");
  await page.locator("#answer").waitFor();
}

test("it shows the stage", async () => {
  assert.equal(await text("#met-strict"), "98.7 %");
  assert.equal(await text("#met-relaxed"), "100 %");
  assert.equal(await text("#overflow"), "12.2 %");
  assert.match(await text("#overflow-of"), /61 of the last hour's 500/);
  assert.match(await text("#met-strict-of"), /306 of the last hour's 310/);
  assert.equal(await text("#burn-strict"), "burn rate 0.4 over 5 min, 1.3 over 1 h (at 1 the objective of 99 % is just met)");
  assert.match(await text("#latency-strict"), /the last minute: p50 21 ms, p95 180 ms, p99 431 ms/);
  assert.match(await text("#latency-relaxed"), /p50 \d+ ms, p95 \d\.\d\d s, p99 \d\.\d\d s/);
  assert.match(await text("#cost"), /^\$0\.0\d+$/);
  assert.match(await text("#pools"), /main c5\.large[\s\S]*3\s*wanted[\s\S]*1\s*booting[\s\S]*2\s*ready[\s\S]*1\s*draining/);
  assert.match(await text("#queues"), /work-strict-main\s+2\s+4\s+18 ms/);
  assert.equal(await text("#paced"), "slowed down to the service times in the profiles");
  assert.match(await page.locator("#chart .line.strict").getAttribute("d"), /^M0\.0,/);
  assert.equal(await page.locator("#queues tr").count(), 4);
});

// A frame that lays out every section asks another process for each size of text, and waits long.
test("sections are shown one a frame", async () => {
  await page.addInitScript(() => {
    window.frames = 0;
    window.shown = [];
    addEventListener("DOMContentLoaded", () => { window.boxes = document.querySelectorAll("main > section").values().filter((e) => e.getClientRects().length).toArray().length; });
    requestAnimationFrame(function next() { window.frames++; requestAnimationFrame(next); });
    new MutationObserver((list) => {
      for (const r of list) if (r.target.matches("main > section.shown") && !r.oldValue?.includes("shown")) window.shown.push(window.frames);
    }).observe(document, { subtree: true, attributeFilter: ["class"], attributeOldValue: true });
  });
  await page.reload();
  await laidOut(page);
  const shown = await page.evaluate(() => window.shown);
  assert.ok(shown.length > 10, `${shown.length} sections`);
  assert.equal(await page.evaluate(() => window.boxes), 0, "sections with a box when the browser looks for forms, whose controls it lays out");
  assert.equal(new Set(shown).size, shown.length, `frames in which a section was shown: ${shown}`);
});

test("other schemes' costs are intervals, by the error of the calibration", async () => {
  await page.locator("#savings-others li").nth(2).waitFor();
  assert.match(await text("#savings-others"), /plain function \$0\.0320 this stage cost 25 % more[\s\S]*mixed \$0\.0396 to \$0\.0413 a difference smaller than the error of the simulation[\s\S]*reactive \$0\.0490 to \$0\.0511 this stage cost 18 to 22 % less/);
  assert.match(await text("#savings-why"), /simulated, within ±2\.1 %: on 2 traces, calibrated on .*in which this stage cost \$0\.0400/);
});

test("where nothing was measured it says why, and what to do", async () => {
  try {
    await uncalibrated(true);
    await page.getByText("Unknown:").waitFor();
    assert.match(await text("#savings-why"), /does not simulate.*paragon savings --stage/);
    assert.equal(await page.locator("#savings-others").isHidden(), true);
    assert.doesNotMatch(await text("#savings"), /reactive/);
  } finally {
    await uncalibrated(false);
  }
});

test("it says which models get no queries, where and why, and how many workers are stuck", async () => {
  assert.doesNotMatch(await text("#alert"), /queries|cannot be written/);
  assert.doesNotMatch(await text("#pools"), /stuck/);
  try {
    await faulty(true);
    const alert = page.locator("#alert");
    await alert.filter({ hasText: "fails on" }).waitFor();
    const said = await alert.innerText();
    assert.match(said, /The store cannot be written.*no space left on device/);
    assert.match(said, /Model mlp gets no queries: its file is damaged\./);
    assert.match(said, /Model cnn-small fails on worker w-1 and gets no queries there until \d.*: no such operator\./);
    assert.match(said, /Model cnn-small fails on functions and gets no queries there/);
    assert.match(await text("#pools"), /1\s*draining\s*1\s*stuck/);
  } finally {
    await faulty(false);
  }
  await page.locator("#alert").filter({ hasNotText: "gets no queries" }).waitFor({ state: "attached" });
});

test("it shows what the controller decided", async () => {
  await page.locator("#decisions").filter({ hasText: /keep 3 workers: 50\.0 queries[\s\S]*grow from 2 to 3 workers/ }).waitFor();
  assert.equal(await page.locator("#decisions li").count(), 2); // of the ticks that keep the workers, only the newest
  assert.equal(await page.locator("#decisions .moves").count(), 1);
  assert.equal(await page.locator("#decisions-none").isHidden(), true);
});

test("it moves on every second, by one stream", async () => {
  await page.locator("#settings-list details").first().waitFor();
  const requests = polled().length;
  await moved(["#cost"]);
  await moved(["#cost"], ["#chart .line.strict", "d"]);
  assert.equal(polled().length, requests);
  assert.deepEqual(requested.filter((url) => ["/v1/status", "/v1/workers", "/v1/history"].includes(url.pathname)), []);
});

test("where the server does not stream it makes one request each 5 seconds", async () => {
  try {
    await silent(true);
    await page.context().close();
    page = await (await browser.newContext()).newPage(); // not the plain one
    await page.clock.install();
    requested = [];
    page.on("request", (r) => requested.push(new URL(r.url())));
    await page.goto(PAGE_URL);
    await page.locator("#connection[data-state=live]").waitFor();
    await page.locator("#models tr").nth(5).waitFor();
    await page.locator("#settings-list details").first().waitFor();
    const changed = async (act) => {
      const cost = await text("#cost");
      await act();
      await page.locator("#cost").filter({ hasNotText: cost }).waitFor();
    };
    await changed(() => {}); // from now on it waits, and the jump of the clock ends that: no request is under way in it
    await changed(async () => page.clock.pauseAt(await page.evaluate(() => Date.now() + 20000)));
    requested = [];
    for (let i = 1; i <= 6; i++) {
      await changed(() => page.clock.runFor(5000));
      assert.equal(polled().length, i);
    }
    const times = (path) => polled().flatMap(watched).filter((url) => url.pathname === `/v1/${path}`).length;
    assert.deepEqual(["status", "queries", "decisions", "workers", "history", "settings"].map(times), [6, 6, 6, 6, 2, 2]);
    assert.deepEqual(requested.filter((url) => url.pathname !== "/v1/live").map((url) => url.pathname), Array(3).fill("/local/faults"));
  } finally {
    await silent(false);
  }
});

test("a sample is answered, with bars and the way it went", async () => {
  await page.locator("#samples label").nth(3).click();
  await ask();
  assert.match(await text("#answer .label"), /\w/);
  assert.equal(await page.locator("#answer meter").count(), 5);
  assert.match(await text("#answer .bars"), /91\.0 %/);
  assert.match(await text("#answer .note"), /cnn-small · function inference-1024 \(1024 MB, cold start\) · 13 ms · \$1\.90 per million queries/);
  assert.match(await text("#answer .story"), /sent to overflow: a worker would take about 1210 ms/);
});

test("a task of texts is tried with a text", async () => {
  mayComplain = true; // the stage behind it has no such task, and the browser logs every answer of 422
  const texts = async (route) => {
    const response = await route.fetch();
    const { models } = await response.json();
    return route.fulfill({ response, json: { models: [...models, { ...models[0], name: "bag", task: "mail", takes: "text" }] } });
  };
  await page.route("**/v1/models", texts);
  await page.reload();
  await page.selectOption("#task", "mail");
  assert.equal(await page.locator("#pictures").isVisible(), false);
  await ask();
  assert.match(await text("#answer .fault"), /write a text first/);
  await page.fill("#text", "Hello friend");
  const sent = page.waitForRequest((r) => r.url().endsWith("/v1/queries") && r.method() === "POST");
  await ask();
  const body = (await sent).postDataJSON();
  assert.deepEqual([body.task, body.input], ["mail", { text: "Hello friend" }]);
  await page.selectOption("#task", "fashion");
  assert.equal(await page.locator("#text").isVisible(), false);
  await page.unroute("**/v1/models", texts);
  await page.reload();
});

test("feedback goes with the answer's receipt", async () => {
  const withReceipt = async (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    const response = await route.fetch();
    return route.fulfill({ response, json: { ...await response.json(), receipt: "r1" } });
  };
  await page.route("**/v1/queries", withReceipt);
  await page.locator("#samples label").nth(2).click();
  const answered = page.waitForResponse((r) => r.url().endsWith("/v1/queries") && r.request().method() === "POST");
  await ask();
  await answered;
  await page.waitForFunction(() => !document.getElementById("submit").disabled);
  const sent = page.waitForRequest((r) => r.url().endsWith("/feedback"));
  await page.locator("#answer .feedback button").nth(1).click();
  assert.deepEqual((await sent).postDataJSON(), { correct: false, receipt: "r1" });
  await page.locator("#answer .feedback", { hasText: "Thank you" }).waitFor();
  await page.unroute("**/v1/queries", withReceipt);
});

test("a file of one's own is answered", async () => {
  await page.locator("#file").setInputFiles({ name: "mine.png", mimeType: "image/png", buffer: Buffer.from("\x89PNG mine", "latin1") });
  assert.equal(await text("#file-name"), "mine.png");
  assert.equal(await page.locator("input[name=sample]:checked").count(), 0);
  await ask();
  await page.locator("#answer .label").waitFor();
});

test("a large file is uploaded", async () => {
  const uploaded = page.waitForRequest((r) => r.method() === "PUT" && r.url().includes("/v1/uploads/"));
  await page.locator("#file").setInputFiles({ name: "large.png", mimeType: "image/png", buffer: Buffer.alloc(300 * 1024, "x") });
  await ask();
  await uploaded;
  await page.locator("#answer .label").waitFor();
});

test("a file may be dropped", async () => {
  const data = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["\x89PNG dropped"], "dropped.png", { type: "image/png" }));
    return transfer;
  });
  await page.dispatchEvent("#try", "drop", { dataTransfer: data });
  assert.equal(await text("#file-name"), "dropped.png");
});

test("recent queries open and stay open", async () => {
  await ask();
  await page.locator("#recent details").first().locator("summary").first().click();
  await page.locator("#recent details[open] .story", { hasText: /accepted as strict, bound 500 ms[\s\S]*ran on inference-1024[\s\S]*calling the function/ }).waitFor();
  await moved(["#cost"]);
  assert.equal(await page.locator("#recent details[open]").count(), 1);
});

test("a refusal of the server is shown next to its field", async () => {
  mayComplain = true; // the browser logs every answer of 422
  await page.fill("#latency", "1");
  await ask();
  assert.match(await text("#answer"), /constraints\.latency_ms: is 1 ms, below the shortest bound that this stage can keep, 5 ms/);
  assert.equal(await page.locator("#latency").getAttribute("aria-invalid"), "true");
  await page.fill("#latency", "500");
  await page.locator("#file").setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("REFUSED") });
  await ask();
  await page.getByText("input.data: is not a PNG picture").waitFor();
  assert.equal(await page.locator("#latency").getAttribute("aria-invalid"), null);
});

test("an answer without classes is shown and listed", async () => {
  await page.locator("#file").setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("EMBEDS") });
  await ask();
  assert.match(await text("#answer .label"), /a vector of 2048 numbers/);
  await page.locator("#recent .what", { hasText: "a vector or outputs · cnn-small, strict" }).first().waitFor();
  await moved(["#cost"]);
  assert.equal(await page.locator("#connection").getAttribute("data-state"), "live");
});

test("a query that fails says why", async () => {
  await page.locator("#file").setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("FAILS") });
  await ask();
  assert.match(await text("#answer .fault"), /failed: the model cannot be run/);
});

test("a lost connection is said, and found again", async () => {
  mayComplain = true; // the browser logs every connection that breaks
  try {
    await gone(true);
    await page.locator("#connection[data-state=lost]").waitFor();
    assert.match(await text("#alert"), /The server does not answer\. The page tries again every second\. The figures are from/);
    await ask();
    assert.match(await text("#answer .fault"), /The form still has your input/);
  } finally {
    await gone(false);
  }
  await page.locator("#connection[data-state=live]").waitFor();
  assert.doesNotMatch(await text("#alert"), /does not answer/); // the stage's own warnings stay
  await page.locator("#submit").click();
  await page.locator("#answer .label").waitFor();
});

test("the keyboard is enough", async () => {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the form that submits a query");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab"); // the samples: one stop, arrows move in them
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => [...document.getElementsByName("sample")].findIndex((r) => r.checked)), 1);
  for (const id of ["file", "task", "latency", "accuracy", "price", "submit"]) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), id);
  }
  await page.keyboard.press("Enter");
  await page.locator("#answer .label").waitFor();
  for (const word of ["Yes", "No"]) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), word);
  }
  await page.keyboard.press("Tab"); // why this model
  assert.match(await page.evaluate(() => document.activeElement.textContent), /^Why cnn-small was chosen/);
  await page.keyboard.press("Tab"); // the newest query
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#recent details[open]").count(), 1);
});

// tabTo presses Tab until the element, with a text where one is given, is reached.
async function tabTo(selector, text = "") {
  for (let i = 0; i < 200; i++) {
    if (await page.evaluate(([s, has]) => document.activeElement.matches(s) && document.activeElement.textContent.includes(has), [selector, text])) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab does not reach ${selector}`);
}

test("every part is used by keys alone", async () => {
  const message = (id, text) => page.locator(id, { hasText: text }).waitFor();
  try {
    await large(true);
    await deadLetters(true);
    await reload();
    await page.locator("#charts [role=img][aria-label]").nth(8).waitFor();
    await page.locator("#settings-list details").first().waitFor();
    await page.locator("#letters-show").waitFor();
    await tabTo("[name=hours]:checked");
    const answer = watching("hours=6");
    await page.keyboard.press("ArrowRight");
    await answer;
    await tabTo("#cost-lines [value=kpa]");
    await page.keyboard.press("Space");
    await page.locator("#charts [role=img][aria-label*=kpa]").waitFor();
    await tabTo("#workers-on");
    await page.keyboard.press("Enter");
    await message("#workers-which", "21 to 40 of 1000");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await message("#workers-which", "1 to 20 of 1000");
    await tabTo("#letters-show");
    await page.keyboard.press("Enter");
    await message("#letters-message", "2 queries would be submitted again");
    await tabTo("#letters-redrive");
    await page.keyboard.press("Enter");
    await message("#letters-message", "2 queries were submitted again");
    await tabTo("#setting-find");
    await page.keyboard.type("max_workers");
    await tabTo("#settings-list summary", "max_workers");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Restore 20" }).waitFor();
    await tabTo("#settings-list input");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("30");
    await page.keyboard.press("Enter");
    await message("#settings-list [role=status]", "from 12 to 30");
    await page.getByRole("button", { name: "Restore 12" }).waitFor();
    await tabTo("#settings-list [aria-label='Restore 12']");
    await page.keyboard.press("Enter");
    await message("#settings-list [role=status]", "from 30 to 12");
    await tabTo("#decisions summary");
    await page.keyboard.press("Enter");
    await message("#decisions pre", "weighed");
  } finally {
    await deadLetters(false);
    await large(false);
  }
});

test("charts show hours, of a model and of a class", async () => {
  await page.locator("#charts [role=img][aria-label]").nth(8).waitFor(); // each is drawn when its rows are there
  const label = (i) => page.locator("#charts [role=img]").nth(i).getAttribute("aria-label");
  assert.match(await label(0), /^Answers per second: strict [\d.]+\/s, highest [\d.]+\/s; relaxed/);
  assert.match(await label(1), /^Latency: p50 \d+ ms, highest .*p95.*p99/);
  assert.match(await label(8), /this stage \$[\d.]+.*mixed \$[\d.]+.*plain function \$[\d.]+/);
  let answer = watching("hours=168");
  await page.getByRole("radio", { name: "7 d" }).check();
  await answer;
  answer = watching("task=fashion&model=mlp");
  await page.selectOption("#of-model", { label: "mlp" });
  await answer;
  const strict = await label(1);
  await page.selectOption("#of-class", "relaxed");
  await page.waitForFunction((was) => document.querySelectorAll("#charts [role=img]")[1].getAttribute("aria-label") !== was, strict);
});

test("the cost of each other scheme is a line that the user chooses", async () => {
  const cost = page.locator("#charts figure").nth(8);
  const showing = (name) => cost.locator(`[role=img][aria-label*="${name}"]`).waitFor();
  const lines = async () => (await cost.locator(".u-legend .u-label").allInnerTexts()).slice(1); // the first is the time
  await showing("this stage");
  assert.deepEqual(await lines(), ["this stage", "mixed", "plain function"]); // mixed is the cheapest scheme
  const names = await cost.locator("#cost-lines label").allInnerTexts();
  assert.deepEqual(names, ["this stage", "exascale", "hedged", "kpa", "managed_instances", "mixed", "mixed_predictive", "plain function", "quantile", "reactive", "target_tracking", "util_aware"]);
  await cost.getByRole("checkbox", { name: "plain function" }).uncheck();
  await cost.getByRole("checkbox", { name: "reactive" }).check();
  await showing("reactive");
  assert.deepEqual(await lines(), ["this stage", "mixed", "reactive"]);
  const answer = watching("hours=6");
  await page.getByRole("radio", { name: "6 h" }).check();
  await answer;
  for (const name of names) {
    await cost.getByRole("checkbox", { name, exact: true }).check();
    await showing(name);
  }
  assert.deepEqual(await lines(), names);
  for (const part of (await cost.locator("[role=img]").getAttribute("aria-label")).split("; ")) assert.match(part, /\$\d+\.\d+, highest \$\d+\.\d+$/);
  for (const name of names) {
    await cost.getByRole("checkbox", { name, exact: true }).uncheck();
    await cost.locator(`[role=img]:not([aria-label*="${name} $"])`).waitFor(); // a shorter legend moves the boxes
  }
  await showing("no values yet");
});

test("lines of the cost may change while the charts are drawn", async () => {
  await page.locator("#charts [role=img][aria-label]").nth(8).waitFor();
  await page.evaluate(async () => {
    for (let i = 0; i < 40; i++) {
      document.querySelectorAll("#cost-lines input")[1 + (i % 5)].click();
      await new Promise((done) => { setTimeout(done, i % 8); });
    }
  });
  await page.locator("#cost-lines [value=kpa]").setChecked(true);
  await page.locator("#charts [role=img][aria-label*=kpa]").waitFor();
});

test("a box keeps the focus while the charts are drawn again", async () => {
  await page.locator("#charts [role=img][aria-label]").nth(8).waitFor();
  await page.locator("#cost-lines [value=kpa]").focus();
  await page.evaluate(async () => {
    document.querySelector("#of-class").dispatchEvent(new Event("change"));
    for (let i = 0; i < 20; i++) await new Promise((done) => { requestAnimationFrame(done); }); // a chart a frame
  });
  await page.keyboard.press("Space");
  await page.locator("#charts [role=img][aria-label*=kpa]").waitFor({ timeout: 20_000 });
});

test("the colors may change while lines of the cost are added", async () => {
  await open({});
  await page.addInitScript(() => {
    const made = window.matchMedia.bind(window);
    window.matchMedia = (query) => (window.scheme = made(query)); // the page watches one
  });
  await page.reload();
  await page.locator("#charts [role=img][aria-label]").nth(8).waitFor();
  await page.evaluate(async () => {
    for (const box of [...document.querySelectorAll("#cost-lines input:not(:checked)")].slice(0, 4)) {
      box.click();
      for (let i = 0; i < 20; i++) {
        window.scheme.dispatchEvent(new Event("change"));
        await new Promise((done) => { setTimeout(done, 0); });
      }
    }
  });
  assert.equal(await page.locator("#cost-lines :checked").count(), 7);
});

test("versions of models are listed with what was done to them last", async () => {
  await page.locator("#rollouts-of li:nth-child(2)").waitFor();
  assert.match(await text("#rollouts-of li:nth-child(1)"), /cnn is served by version cnn\s+Last change: rolled back cnn@2 at .+: errors: 9 of 9 runs failed/);
  assert.match(await text("#rollouts-of li:nth-child(2)"), /mlp is served by version mlp; version mlp@2 runs in shadow on 10\S* % of the queries \(200 runs in the last hour, 3 failed, 95\S* % of the results equal those of the served version, median latency 3\S* ms, and 4\S* ms for the served version\)/);
});

test("models are listed with their percentiles", async () => {
  await page.locator("#models tr").nth(5).waitFor();
  assert.match(await text("#models tr:nth-child(1)"), /cnn-small\s+strict\s+50000\s+21 ms\s+180 ms\s+431 ms\s+98\.6 %\s+11\.1 %\s+0\s+\$0\.0200/);
});

test("workers are listed by name and state", async () => {
  await page.locator("#workers tr").nth(3).waitFor();
  assert.match(await text("#workers"), /general-1\s+ready\s+0 of 2/);
  await page.selectOption("#of-state", "draining");
  await page.waitForFunction(() => document.querySelectorAll("#workers tr").length === 1);
  assert.match(await text("#workers"), /general-3\s+draining/);
});

test("a decision opens to what it weighed, and stays open", async () => {
  await page.locator("#decisions summary").first().click();
  await page.locator("#decisions pre", { hasText: "weighed    2 workers" }).waitFor();
  await moved(["#cost"]);
  assert.equal(await page.locator("#decisions details[open]").count(), 1);
});

test("older decisions come a page at a time", async () => {
  assert.equal(await page.locator("#older").isHidden(), true); // there are three ticks
  try {
    await large(true);
    const listed = [];
    for (;;) {
      await page.locator("#decisions .moves", { hasText: `grow from ${1 + (listed.at(-1) ?? 972)} to` }).waitFor();
      listed.push(...[...(await text("#decisions")).matchAll(/grow from (9\d\d|1\d{3}) to/g)].map((m) => Number(m[1])));
      if (await page.locator("#older").isHidden()) break;
      await page.click("#older");
    }
    assert.deepEqual(listed, Array.from({ length: 37 }, (_, i) => 973 + i)); // each once
    await page.click("#newest");
    await page.locator("#decisions li", { hasText: "keep 3 workers: 50.0 queries" }).waitFor();
    assert.equal(await page.locator("#newest").isHidden(), true);
  } finally {
    await large(false);
  }
});

test("a query opens to its candidates", async () => {
  await ask();
  await page.locator("#recent details").first().locator("summary").first().click();
  const why = page.locator("#recent .candidates").first();
  await why.locator("summary").click();
  await why.getByText(/Chosen: cnn-small on c5.large: the cheapest.*Predicted latency: 21 ms/).waitFor();
  assert.equal(await why.locator("tbody tr").count(), 6);
  assert.match(await why.locator("tbody tr").nth(1).innerText(), /cnn-0\s+function, 1024 MB\s+30 ms\s+91\.50 %\s+\$0\.0400\s+costs more/);
  await why.getByRole("button", { name: "Show all 12" }).click();
  assert.equal(await why.locator("tbody tr").count(), 12);
});

test("a setting is changed within its bounds, and restored", async () => {
  mayComplain = true; // the browser logs every answer of 409 and 422
  const setting = page.locator("#settings-list details", { hasText: "max_workers" });
  await setting.locator("summary").click();
  const [field, save, said] = [setting.locator("input"), setting.getByRole("button", { name: "Save" }), setting.locator("[role=status]")];
  for (const [value, why] of [["99999", /max_workers is not within 0 to 2000 workers/], ["many", /is not a number/], ["1.5", /not a whole number/]]) {
    await field.fill(value);
    await save.click();
    await said.filter({ hasText: why }).waitFor();
    assert.equal(await field.getAttribute("aria-invalid"), "true");
  }
  await field.fill("30");
  await save.click();
  await said.filter({ hasText: "from 12 to 30" }).waitFor();
  await setting.locator("summary", { hasText: "30 workers default 20 workers" }).waitFor();
  assert.equal(await field.getAttribute("aria-invalid"), null);
  await fetch(`${PAGE_URL}/v1/settings/max_step`, { method: "PUT", body: JSON.stringify({ value: "9" }) }); // another's change
  const restore = setting.getByRole("button", { name: "Restore 12" }).first(); // the newest of its versions of 12
  await restore.click();
  await said.filter({ hasText: /changed since they were read/ }).waitFor();
  await restore.click();
  await said.filter({ hasText: "from 30 to 12" }).waitFor();
});

test("settings and faults are for who shows the operator's token", async () => {
  await locked(true);
  try {
    await reload();
    for (const id of ["settings", "faults"]) assert.equal(await page.locator(`#${id}`).isVisible(), false);
    assert.match(await text("#operators"), /Only operators.*Paste below what is in the file operator-token/);
    assert.equal(await page.locator("#operator").isVisible(), true);
    await deadLetters(true);
    await page.getByText("2 queries failed too often").waitFor();
    for (const id of ["letters-show", "letters-redrive"]) assert.equal(await page.locator(`#${id}`).isVisible(), false);
    assert.deepEqual(pathsRead().filter((path) => ["/v1/settings", "/local/faults"].includes(path)), [], "nothing for operators is asked for");
    for (const [token, seen] of [["wrong", false], [" open ", true]]) {
      await page.fill("#operator", token);
      await Promise.all([page.waitForEvent("load"), page.locator("#operator-form button").click()]);
      await page.locator("#samples img").nth(9).waitFor();
      if (seen) await page.locator("#settings-list details").first().waitFor();
      if (!seen) await page.locator("#operator-message", { hasText: "refuses this token" }).waitFor();
      assert.equal(await page.locator("#settings").isVisible(), seen);
    }
    await page.locator("#faults").waitFor();
    assert.equal(await page.locator("#operators").isVisible(), false);
  } finally {
    await deadLetters(false);
    await locked(false);
  }
});

test("the token may come with the address, where it is seen no longer", async () => {
  await locked(true);
  try {
    await open({}, "#operator=wrong");
    await page.locator("#operator-message", { hasText: "refuses this token" }).waitFor();
    await page.goto(`${PAGE_URL}/#operator=open`); // in the same tab, which the browser does not load again
    await page.locator("#settings-list details").first().waitFor();
    assert.equal(new URL(page.url()).hash, "");
    assert.equal(await page.locator("#operators").isVisible(), false);
    assert.doesNotMatch(await text("body"), /token/i);
  } finally {
    await locked(false);
  }
});

test("parts that may not be read say why, and the others are shown", async () => {
  await closed(true);
  await silent(true);
  try {
    await reload();
    for (const part of ["workers", "decisions", "settings"]) {
      await page.locator(`#${part}-none`, { hasText: `The ${part} cannot be read: AccessDenied; ask for the policy` }).waitFor();
    }
    await page.locator("#models tr").nth(5).waitFor();
  } finally {
    await silent(false);
    await closed(false);
  }
});

test("settings are found by their words", async () => {
  await page.locator("#settings-list details").nth(1).waitFor();
  assert.doesNotMatch(await text("#settings-list"), /min_workers/);
  await page.fill("#setting-find", "fewest workers");
  assert.equal(await page.locator("#settings-list details").count(), 1);
  assert.match(await text("#settings-list"), /min_workers 0 workers/);
  await page.fill("#setting-find", "no such words");
  assert.equal(await text("#settings-none"), "No setting contains these words.");
  await page.fill("#setting-find", "");
  await page.check("#settings-all");
  await page.locator("#settings-list details", { hasText: "overflow_path" }).last().locator("summary").click();
  assert.deepEqual(await page.locator("#settings-list details[open] option").allInnerTexts(), ["queue", "direct"]);
});

test("faults are injected and cleared", async () => {
  mayComplain = true; // the browser logs every answer of 422
  await page.locator("#faults-none").waitFor();
  assert.match(await text("#fault-group"), /allows 0 to 64 workers; its desired capacity is 3/);
  await page.selectOption("#fault-kind", "slow-boot");
  assert.equal(await page.locator("#fault-worker").isVisible(), false);
  await page.fill("#fault-seconds", "");
  const inject = page.getByRole("button", { name: "Inject" });
  await inject.click();
  await page.locator("#fault-message", { hasText: /^seconds: .*not within 0\.001 to 86400/ }).waitFor();
  assert.equal(await page.locator("#fault-seconds").getAttribute("aria-invalid"), "true");
  await page.fill("#fault-seconds", "30");
  await inject.click();
  await page.locator("#faults-list", { hasText: "slow-boot, 30 s, until it is cleared" }).waitFor();
  await page.selectOption("#fault-kind", "spot-notice");
  assert.equal(await page.locator("#fault-worker option").count(), 2);
  await page.getByRole("button", { name: "Clear slow-boot" }).click();
  await page.locator("#faults-none").waitFor();
});

test("dead letters are listed and submitted again", async () => {
  await page.locator("#letters-none").waitFor();
  await deadLetters(true);
  await page.getByText("2 queries failed too often").waitFor();
  await page.getByRole("button", { name: "Show the reasons" }).click();
  await page.locator("#letters-message", { hasText: "2 queries would be submitted again, 0 dead letters would be dropped. Dead letters left in the queue: 2." }).waitFor();
  assert.match(await text("#letters-list li:nth-child(1)"), /q-dead-0\s+cnn-small, strict.*3 runs failed.*would be submitted again on overflow/s);
  await page.getByRole("button", { name: "Submit again" }).click();
  await page.locator("#letters-message", { hasText: "2 queries were submitted again, 0 dead letters were dropped. Dead letters left in the queue: 0." }).waitFor();
  assert.match(await text("#letters-list"), /submitted again as q-again-0 on overflow/);
  await page.locator("#letters-none").waitFor();
});

const elsewhere = PAGE_URL.replace("127.0.0.1", "localhost"); // of another process of the browser

// calibrate lays out a table of 25,000 new cells in each of five tasks, on a page of another site.
async function calibrate() {
  await page.goto(`${elsewhere}/page/icon.svg?calibration`);
  for (let i = 0; i < 5; i++) {
    await page.evaluate(() => new Promise((done) => setTimeout(() => {
      const make = (name, ...children) => { const e = document.createElementNS("http://www.w3.org/1999/xhtml", name); e.append(...children); return e; };
      document.documentElement.replaceChildren(make("table", ...Array.from({ length: 2500 }, (_, i) => make("tr", ...Array.from({ length: 10 }, (_, j) => make("td", `${i} and ${j}`))))));
      document.documentElement.lastChild.getBoundingClientRect();
      performance.mark("calibrated");
      setTimeout(done);
    })));
  }
}

// tasksOf lists the tasks of a trace of the browser, in the process that loaded an address, in order: when
// they began, and the milliseconds of processor time and of time on the clock that each took.
function tasksOf(events, address) {
  const ours = new Set(events.filter((e) => JSON.stringify(e.args ?? "").includes(address)).map((e) => e.pid));
  const renderers = new Set(events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain" && ours.has(e.pid)).map((e) => `${e.pid} ${e.tid}`));
  const of = (e) => renderers.has(`${e.pid} ${e.tid}`);
  const tasks = events.filter((e) => e.ph === "X" && e.name === "RunTask" && of(e)).map((e) => ({ from: e.ts, cpu: (e.tdur ?? 0) / 1000, wall: e.dur / 1000 }));
  const marks = events.filter((e) => e.cat?.includes("blink.user_timing") && of(e)).map((e) => ({ name: e.name, at: e.ts }));
  return { tasks: tasks.sort((a, b) => a.from - b.from), marks: marks.sort((a, b) => a.at - b.at) };
}

const most = (numbers) => Math.max(0, ...numbers);

// atRest waits until the browser has loaded the pages of its own that it loads for each new
// window (chrome://omnibox-popup.top-chrome): their scripts use a core for 0.2 s. It waits for 10 s at most.
async function atRest() {
  const system = await browser.newBrowserCDPSession();
  const used = async () => (await system.send("SystemInfo.getProcessInfo")).processInfo.reduce((sum, p) => sum + (p.type === "renderer" ? p.cpuTime : 0), 0);
  for (let i = 0, before = -1, now = 0; i < 20 && now - before >= 0.01; i++, await page.waitForTimeout(500)) [before, now] = [now, await used()];
}

// playLarge opens the page of a large stage, in a window that has shown another page, and uses every part of it that
// grows with the stage. It returns the tasks of each step, the processor time of the calibration, which is the median of
// its tasks, and how many bytes each path sent.
async function playLarge() {
  let session; // it runs what is asked of it alone; the scripts that a locator brings take longer than many a task of the page
  const run = (expression) => session.send("Runtime.evaluate", { expression, awaitPromise: true });
  const step = (name) => run(`performance.mark("step: ${name}")`);
  await browser.startTracing(undefined, { categories: ["disabled-by-default-devtools.timeline", "devtools.timeline", "blink.user_timing"] });
  await open({ viewport: { width: 1240, height: 900 } }, "", { before: calibrate, go: async () => {
    session = await page.context().newCDPSession(page);
    await atRest();
    await page.goto(PAGE_URL);
    await run(`new Promise((done) => {
      const there = ["#models tr", "#workers tr", "#decisions li", "#settings-list details", "main > :last-child.shown"];
      const whole = () => there.every((of) => document.querySelector(of)) && document.querySelectorAll("#charts [role=img][aria-label], #samples img").length === 19;
      let updates = 0; // of the whole page: the load has ended when there were two
      new MutationObserver(() => whole() && ++updates === 3 && done()).observe(document.getElementById("cost"), { childList: true });
    })`);
  } });
  const sizes = new Map();
  page.on("response", async (r) => sizes.set(new URL(r.url()).pathname, (await r.body().catch(() => "")).length));
  await step("the scripts of the test");
  await page.locator("#connection[data-state=live]").waitFor();
  await step("show 7 days");
  const answer = watching("hours=168");
  await page.getByRole("radio", { name: "7 d" }).check();
  await answer;
  await step("show all 100 rows of models");
  await page.locator("#more-models").click();
  await page.waitForFunction(() => document.querySelectorAll("#models tr").length === 100);
  await step("show the next workers");
  await page.locator("#workers-on").click();
  await page.locator("#workers-which", { hasText: "21 to 40 of 1000" }).waitFor();
  await step("list all settings");
  await page.check("#settings-all");
  await step("submit a picture");
  await ask();
  await step("show 60 candidates");
  await page.locator("#answer .candidates summary").click();
  await page.getByRole("button", { name: "Show all 60" }).click();
  await page.waitForFunction(() => document.querySelectorAll("#answer .candidates tbody tr").length === 60);
  await step("updates, each second");
  for (let i = 0; i < 4; i++) await moved(["#cost"]);
  await step("end");
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const { tasks, marks } = tasksOf(traceEvents, `${PAGE_URL}/page/app.js`);
  assert.ok(tasks.length > 100, `${tasks.length} tasks in the trace`);
  const known = tasksOf(traceEvents, `${elsewhere}/page/icon.svg?calibration`);
  const opened = (of, url) => { // what the browser does to open any page: a task before all of the page's own
    const { ts } = traceEvents.find((e) => e.name === "CommitLoad" && e.args.data.url === url);
    return of.find((t) => t.from <= ts && ts <= t.from + 1000 * t.wall);
  };
  const opens = opened(tasks, `${PAGE_URL}/`);
  const begins = [{ name: "step: load the page", at: opens.from + 1 }, ...marks.filter((m) => m.name.startsWith("step: "))];
  const steps = new Map([["before", []], ...begins.map((m) => [m.name.slice("step: ".length), []])]);
  for (const t of tasks) [...steps.values()][begins.filter((m) => m.at <= t.from).length].push(t);
  steps.set("the browser opens a page that has only an icon", [opened(known.tasks, `${elsewhere}/page/icon.svg?calibration`)]);
  steps.set("the browser opens this page", [opens]);
  steps.delete("before");
  steps.delete("end");
  steps.delete("the scripts of the test");
  const calibrations = known.marks.filter((m) => m.name === "calibrated").map((m) => known.tasks.findLast((t) => t.from <= m.at).cpu).sort((a, b) => a - b);
  assert.equal(calibrations.length, 5);
  return { steps, calibration: calibrations[2], sizes };
}

// recordTimes writes a table of the longest tasks of several runs into the page of the docs.
async function recordTimes(file, runs) {
  const rows = [...runs[0].steps.keys()].map((name) => {
    const all = runs.flatMap((r) => r.steps.get(name));
    return `| ${name} | ${most(all.map((t) => t.cpu)).toFixed(0)} ms | ${most(all.map((t) => t.wall)).toFixed(0)} ms | ${all.filter((t) => t.cpu >= 50).length} | ${all.filter((t) => t.wall >= 50).length} |`;
  });
  const written = await readFile(file, "utf8");
  const [begin, end] = ["<!-- times: made by the command -->\n", "<!-- end of times -->"];
  const known = runs.map((r) => r.calibration).sort((a, b) => a - b);
  const block = `Measured on ${new Date().toISOString().slice(0, 10)} with headless Chromium ${browser.version()} on ${cpus().length} cores (${process.platform}/${process.arch}, load average ${loadavg()[0].toFixed(1)}) in ${runs.length} runs. A calibration task took ${known[0].toFixed(0)} to ${known.at(-1).toFixed(0)} ms of CPU time.

| step | longest task, CPU time | longest task, wall time | number of tasks with a CPU time of 50 ms or more | number of tasks with a wall time of 50 ms or more |
|---|---|---|---|---|
${rows.join("\n")}
`;
  assert.ok(written.includes(begin) && written.includes(end), `${file} has no place for the table`);
  await writeFile(file, written.slice(0, written.indexOf(begin) + begin.length) + block + written.slice(written.indexOf(end)));
}

// What a large stage sends, shows and computes is bounded: bytes, elements, the elements that an update
// makes, and the processor time of the longest task with that of a calibration in the same run.
test("a thousand workers, fifty models and seven days", async () => {
  try {
    await large(true);
    for (let i = 0; i < 20; i++) await fetch(`${PAGE_URL}/v1/queries`, { method: "POST", headers: { Prefer: "wait=1" }, body: JSON.stringify({ task: "fashion", input: { content_type: "image/png", data: btoa(`EMBEDS ${i}`) } }) });
    const runs = [await playLarge()];
    const { sizes } = runs[0];
    for (const path of ["/local/faults", "/v1/dead-letters?limit=20", "/v1/decisions/1", ...[1, 6, 24, 336].map((h) => `/v1/history?hours=${h}`), `/v1/live?${new URLSearchParams(watched(polled().at(-1)).map((url) => ["watch", url.pathname + url.search]))}`,
      ...watched(polled().at(-1)).map((url) => url.pathname + url.search)]) sizes.set(path, (await (await fetch(PAGE_URL + path)).arrayBuffer()).byteLength);
    for (const [path, bytes] of [...sizes].filter(([path]) => !path.startsWith("/page/"))) assert.ok(bytes <= 100_000, `${path} sent ${bytes} bytes`);
    for (const part of ["/v1/status", "/v1/history", "/v1/workers", "/v1/settings", "/v1/decisions", "/explain"]) assert.ok([...sizes.keys()].some((path) => path.includes(part)), part);
    const elements = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(elements < 3000, `${elements} elements`);
    await page.evaluate(() => {
      window.made = 0;
      new MutationObserver((list) => { for (const r of list) window.made += [...r.addedNodes].reduce((n, e) => n + 1 + (e.childElementCount ?? 0), 0); }).observe(document.querySelector("main"), { subtree: true, childList: true });
    });
    for (let i = 0; i < 3; i++) await moved(["#cost"]);
    const made = await page.evaluate(() => window.made);
    assert.ok(made < 600, `three updates made ${made} nodes`);
    await isWhole(page, "a large stage");
    const all = [...runs[0].steps.values()].flat();
    const longest = most(all.map((t) => t.cpu));
    console.log(`longest task ${longest.toFixed(0)} ms of CPU time, the calibration ${runs[0].calibration.toFixed(0)} ms; ${most(all.map((t) => t.wall)).toFixed(0)} ms of time; ${made} nodes made by three updates, ${elements} elements, bytes`, Object.fromEntries([...sizes].filter(([path]) => !path.startsWith("/page/") && !path.startsWith("/samples/"))));
    assert.ok(longest < runs[0].calibration, "the longest task takes as long as the layout of 25,000 cells, or longer");
    if (PAGE_TIMES) {
      for (let i = 0; i < 2; i++) runs.push(await playLarge());
      await recordTimes(PAGE_TIMES, runs);
    }
  } finally {
    await large(false);
  }
});

for (const [name, options] of Object.entries(windows)) {
  test(`it fits: ${name}`, async () => {
    await open(options);
    for (const i of [2, 5, 8]) {
      await page.locator("#samples label").nth(i).click();
      await page.locator("#submit").click();
      await page.locator("#submit:enabled").waitFor();
    }
    await page.locator("#recent details summary").first().click();
    await page.locator("#settings-list details", { hasText: "max_workers" }).locator("summary").click();
    await page.getByRole("button", { name: "Restore 20" }).waitFor();
    await page.locator("#answer .candidates summary").click();
    await page.locator("#answer .candidates tbody tr").nth(5).waitFor();
    const { width } = options.viewport;
    await page.mouse.move(0, 0);
    await growWindow(page, width);
    if (PAGE_PICTURES) {
      const clip = options.isMobile && { x: 0, y: 0, width, height: 3000 }; // the rest of it is very long
      await page.screenshot({ path: `${PAGE_PICTURES}/page-${name}.png`, ...(clip && { clip }) });
    }
    await page.locator("#recent details[open] > .candidates > summary").click();
    await page.locator("#recent .candidates tbody tr").nth(5).waitFor();
    await fits(page, "a query and a setting are open");
    await page.locator("#decisions summary").first().click();
    await page.locator("#decisions pre", { hasText: "weighed" }).waitFor();
    await page.check("#settings-all");
    mayComplain = true; // the browser logs every answer that is an error, and every connection that breaks
    try {
      await deadLetters(true);
      await page.getByRole("button", { name: "Show the reasons" }).click();
      await page.locator("#letters-list li").nth(1).waitFor();
      await growWindow(page, width);
      await fits(page, "a decision is open, dead letters and all settings are listed");
      if (name === "light") await isWhole(page, "a decision is open, dead letters and all settings are listed");
      await locked(true);
      await load("");
      await page.locator("#operators").waitFor();
      await growWindow(page, width);
      await fits(page, "no operator");
      await gone(true);
      await page.locator("#connection[data-state=lost]").waitFor();
      await fits(page, "no connection");
    } finally {
      await gone(false);
      await locked(false);
      await deadLetters(false);
    }
  });
}
