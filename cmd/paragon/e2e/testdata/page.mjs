// Opens the page of a stage in a browser: node page.mjs URL TASK... The tasks are those that the
// form must offer; texts are submitted to the tasks words, which classifies, and sentences, which
// embeds. The stage has stored a query of the task numbers, which takes tensors.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, ...tasks] = process.argv.slice(2);
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: flags });
const complaints = [];
try {
  const page = await browser.newPage({ viewport: { width: 1240, height: 5000 } });
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("response", (r) => r.status() >= 400 && complaints.push(`${r.status()} ${r.url()}`));
  const text = (selector) => page.locator(selector).innerText();
  const choices = page.waitForResponse((r) => r.url().endsWith("/v1/models"));
  await page.goto(url);
  await page.locator("#connection[data-state=live]").waitFor();
  await choices;
  await page.locator("#recent li").first().waitFor();
  await page.waitForFunction((n) => document.querySelectorAll("#task option").length === n, tasks.length);
  assert.deepEqual(await page.locator("#task option").allInnerTexts(), tasks);
  assert.equal(await page.locator("#try").isVisible(), tasks.length > 0);
  assert.equal(await page.locator("#skip").evaluate((e) => e.hidden), tasks.length === 0);
  for (const task of tasks) {
    await page.selectOption("#task", task);
    assert.equal(await page.locator("#pictures").isVisible(), false);
    await page.fill("#text", "yes");
    await page.fill("#latency", "");
    const answered = page.waitForResponse((r) => r.url().endsWith("/v1/queries") && r.request().method() === "POST");
    await page.locator("#submit").click();
    await answered;
    await page.locator("#submit:enabled").waitFor();
    assert.equal(await text("#answer .label"), { words: "yes", sentences: "a vector of 64 numbers" }[task]);
    assert.equal(await page.locator("#answer meter").count(), { words: 2, sentences: 0 }[task]);
    assert.match(await text("#answer .note"), { words: /^(plain|careful) · / , sentences: /^vectors · / }[task]);
  }
  const numbers = page.locator("#recent li", { hasText: "affine" }).first();
  await numbers.locator(".what", { hasText: "a vector or outputs · affine" }).waitFor();
  await numbers.locator("summary").first().click();
  await numbers.locator("details[open] .story", { hasText: "accepted as" }).waitFor();
  assert.deepEqual(complaints, [], "the console is silent");
} finally {
  await browser.close();
}
