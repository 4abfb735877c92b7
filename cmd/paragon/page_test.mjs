// Opens the page of a stage in an account in a browser. The Go test of the same folder serves the page,
// names it in PAGE_URL, and changes the stage on request.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { complaintsOf, fits, growWindow, isWhole, laidOut, launch, windows } from "../../shared/page/browser.mjs";

const { PAGE_URL, PAGE_SHOTS } = process.env;

let browser, page, complaints, refused, text;
before(async () => { browser = await launch(); });
after(() => browser?.close());

const address = `${PAGE_URL}/#operator=mine`; // as the command prints it

// open opens the page at an address.
async function open(options = {}, at = address) {
  await page?.context().close();
  page = await (await browser.newContext({ viewport: { width: 1240, height: 5000 }, ...options })).newPage();
  page.setDefaultTimeout(60_000); // other tests may use the processors
  complaints = complaintsOf(page, PAGE_URL);
  const [on, failed] = [page, refused = []];
  page.on("response", (r) => r.status() < 400 || failed.push(`${r.status()} ${new URL(r.url()).pathname}`));
  text = (selector) => on.locator(selector).innerText();
  await page.goto(at);
  if (at === address) await complete();
}

// complete waits until every part of the page is shown.
async function complete() {
  await page.locator("#connection[data-state=live]").waitFor();
  await page.locator("#samples img").nth(9).waitFor();
  await page.locator("#charts [role=img][aria-label]").nth(8).waitFor();
  await page.locator("#settings-list details").first().waitFor();
  await laidOut(page);
}

// isQuiet checks that the page asked for nothing in vain, and has not complained.
function isQuiet() {
  assert.deepEqual([...new Set(refused)], ["404 /local/faults"]); // which only one machine has
  assert.deepEqual(complaints.filter((c) => !c.startsWith("Failed to load resource")), []); // those are in refused
}

// move changes each part of the stage, and returns how often it has been changed.
const move = async () => (await fetch(`${PAGE_URL}/test/move`, { method: "POST" })).json();

test("every part of the page of a stage in an account", async () => {
  await open();
  assert.equal(await text("#met-strict"), "98.7 %");
  assert.match(await text("#met-strict-of"), /306 of the last hour's 310/);
  assert.match(await text("#latency-strict"), /p50 21 ms, p95 180 ms, p99 431 ms/);
  assert.equal(await text("#overflow"), "20.0 %");
  assert.match(await text("#rate-strict"), /^[56]\.\d\/s$/); // the newest seconds may not be written yet
  await page.locator("#cost", { hasText: /^\$\d/ }).waitFor();
  assert.notEqual(await text("#cost"), "$0"); // of the history: the API has no cost so far
  assert.match(await text("#cost-since"), /^since /);
  assert.match(await text("#pools"), /general c5\.large[\s\S]*1\s*booting[\s\S]*2\s*ready[\s\S]*1\s*draining/);
  assert.doesNotMatch(await text("#pools"), /wanted/); // which the API does not say
  assert.match(await text("#queues"), /work-strict-general\s+0\s+0[\s\S]*dead-letters\s+\d/);
  const charts = await page.locator("#charts [role=img]").evaluateAll((all) => all.map((e) => e.ariaLabel));
  assert.deepEqual(charts.filter((c) => c.includes("no values yet")), []);
  assert.match(charts[0], /^Answers per second: strict [\d.]+\/s/);
  await page.locator("#models tr").nth(5).waitFor();
  assert.match(await text("#models"), /cnn-small\s+strict[\s\S]*mlp\s+strict[\s\S]*logistic\s+relaxed/);
  assert.match(await text("#models tr:nth-child(1)"), /20 ms\s+\d+ ms\s+\d+ ms\s+9\d\.\d %/);
  await page.selectOption("#of-model", { label: "mlp" });
  await page.waitForFunction((all) => document.querySelector("#charts [role=img]").ariaLabel !== all, charts[0]);
  await page.locator("#workers tr").nth(3).waitFor();
  assert.match(await text("#workers"), /i-\w+\s+ready[\s\S]*ready[\s\S]*draining[\s\S]*booting/);
  await page.selectOption("#of-state", "draining");
  await page.waitForFunction(() => document.querySelectorAll("#workers tr").length === 1);
  assert.match(await text("#decisions .moves"), /grow from 1 to 2 workers: 60\.0 queries\/s/);
  await page.locator("#decisions summary").first().click();
  await page.locator("#decisions pre", { hasText: "general" }).waitFor();
  assert.doesNotMatch(await text("body"), /token/i); // there is none to enter: IAM decides what this user may do
  isQuiet();
});

test("without its token the page names the address that has it", async () => {
  await open({}, PAGE_URL);
  await page.locator("#alert", { hasText: "open the page at the address that `paragon page` printed" }).waitFor();
  assert.doesNotMatch(await text("body"), /operator-token|data folder/);
  assert.equal(await page.locator("#operator").isVisible(), false);
  await page.goto(address); // in the same tab, which the browser does not load again
  await complete();
});

test("the cost under other schemes, a setting and a query", async () => {
  await open();
  await page.locator("#savings-others li").nth(5).waitFor();
  assert.match(await text("#savings-others"), /reactive \$/);
  assert.match(await text("#savings-why"), /for 1\.0 h of this stage's own past under scheme hedged/); // of this machine
  await page.locator("#cost-lines label").nth(5).waitFor(); // in the history of the stage's API, by this machine
  await page.locator("#cost-lines input[value=kpa]").check();
  await page.locator("#charts [role=img][aria-label*=kpa]").waitFor();
  await page.fill("#setting-find", "max_workers");
  const setting = page.locator("#settings-list details", { hasText: "max_workers" });
  await setting.locator("summary").click();
  await setting.locator("input").fill("30");
  await setting.getByRole("button", { name: "Save" }).click();
  await setting.locator("[role=status]", { hasText: "from 20 to 30" }).waitFor(); // in Parameter Store
  await page.locator("#submit").click();
  await page.locator("#answer .label", { hasText: "Ankle boot" }).waitFor();
  assert.match(await text("#answer .note"), /function inference/);
  await page.locator("#answer .candidates summary").click();
  await page.locator("#answer .candidates tbody tr").nth(5).waitFor();
  await page.locator("#recent .what", { hasText: "Ankle boot" }).first().waitFor();
  assert.equal(await page.locator("#faults").isVisible(), false);
  isQuiet();
});

// The tests of the page itself check with a clock how many seconds it waits.
test("one request at a time, the next in 5 seconds, brings every part up to date", async () => {
  await open();
  const asked = [];
  page.on("request", (r) => r.url().includes("/v1/") && asked.push(new URL(r.url()).pathname));
  const last = await move();
  for (const _ of [1, 2]) {
    const answer = await page.waitForResponse((r) => r.url().includes("/v1/live"));
    assert.equal(answer.headers()["content-type"], "application/json"); // no stream
    assert.equal((await answer.json()).again_seconds, 5);
  }
  await page.locator("#pools", { hasText: `${3000 + 3 * last} answered` }).waitFor();
  await page.locator("#workers", { hasText: String(1000 + last) }).waitFor();
  await page.locator("#decisions", { hasText: `grow from ${last} to ${last + 1} workers` }).waitFor();
  await page.locator("#letters-count", { hasText: `${last} queries failed too often` }).waitFor();
  await page.locator(`#charts [aria-label="Messages in the queues: waiting ${last}, highest ${last}"]`).waitFor();
  assert.deepEqual([...new Set(asked)], ["/v1/live"]);
  isQuiet();
});

test("dead letters are read and submitted again", async () => {
  await open();
  await page.getByRole("button", { name: "Show the reasons" }).click();
  await page.locator("#letters-message", { hasText: "would be submitted again" }).waitFor();
  assert.match(await text("#letters-list"), /q1\s+cnn-small, strict[\s\S]*its message was received too often[\s\S]*would be submitted again on overflow/);
  await page.getByRole("button", { name: "Submit again" }).click();
  await page.locator("#letters-message", { hasText: "were submitted again" }).waitFor();
  assert.match(await text("#letters-list"), /submitted again as \S+ on overflow/);
  await page.locator("#letters-none").waitFor();
  isQuiet();
});

for (const [name, options] of Object.entries(windows)) {
  test(`it fits: ${name}`, async () => {
    await move();
    await open(options);
    await page.locator("#submit").click();
    await page.locator("#answer .label").waitFor();
    await page.locator("#decisions summary").first().click();
    await page.locator("#decisions pre", { hasText: "general" }).waitFor();
    await page.getByRole("button", { name: "Show the reasons" }).click();
    await page.locator("#letters-list li").first().waitFor();
    await page.locator("#workers tr").nth(3).waitFor();
    await growWindow(page, options.viewport.width);
    if (PAGE_SHOTS) await page.screenshot({ path: `${PAGE_SHOTS}/stage-${name}.png` });
    await fits(page, "a decision is open and dead letters are listed");
    if (name === "light") await isWhole(page, "a decision is open and dead letters are listed");
    isQuiet();
  });
}
