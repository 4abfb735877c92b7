// Opens the page of a stage in an account in a browser. The Go test of the same folder serves the page
// and names it in PAGE_URL.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { complaintsOf, launch } from "../../shared/page/browser.mjs";

const { PAGE_URL } = process.env;

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

test("the page of a stage in an account", async () => {
  const page = await (await browser.newContext({ viewport: { width: 1240, height: 5000 } })).newPage();
  const complaints = complaintsOf(page, PAGE_URL);
  const refused = [];
  page.on("response", (r) => r.status() < 400 || refused.push(`${r.status()} ${new URL(r.url()).pathname}`));
  await page.goto(`${PAGE_URL}/#operator=mine`);
  const text = (selector) => page.locator(selector).innerText();

  await page.locator("#connection[data-state=live]").waitFor();
  assert.equal(await text("#met-strict"), "98.7 %"); // of the stage's API
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
  await page.locator("#samples img").nth(9).waitFor();
  await page.locator("#submit").click();
  await page.locator("#answer").waitFor();
  assert.equal(await page.locator("#faults").isVisible(), false);
  assert.deepEqual(refused, ["404 /local/faults"]); // which only one machine has
  assert.deepEqual(complaints.filter((c) => !c.startsWith("Failed to load resource")), []); // those are in refused
});
