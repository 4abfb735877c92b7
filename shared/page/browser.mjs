// What the tests that drive a page in a browser share.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

// launch starts the browser that CHROMIUM names.
export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: flags });

// complaintsOf lists what is wrong with a page from now on: what its console warns of, its errors,
// and requests to another server than that at the address.
export function complaintsOf(page, address) {
  const complaints = [];
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e.stack)));
  page.on("request", (r) => r.url().startsWith(address) || r.url().startsWith("blob:") || complaints.push(`asks ${r.url()}`));
  return complaints;
}

// windows are the windows in which a page is to fit.
export const windows = {
  light: { colorScheme: "light", viewport: { width: 1240, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1240, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
};

// growWindow makes the window as high as the page, so that all of it is laid out.
export async function growWindow(page, width) {
  for (const _ of [1, 2]) { // what comes into the window may be higher than was assumed
    await page.setViewportSize({ width, height: await page.evaluate(() => document.body.offsetHeight) });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }
}

// fits checks that the page is as wide as its window, that all controls have names, and what axe checks; the server of
// the page has axe at /test/axe.js.
export async function fits(page, state) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${state}: it is ${over} pixels wider than the window`);
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, summary, img:not([alt=''])")]
    .filter((e) => !(e.labels?.[0]?.textContent.trim() || e.closest("label")?.querySelector("[alt]") || e.textContent.trim() || e.alt)).map((e) => e.outerHTML));
  assert.deepEqual(nameless, [], state);
  if (!await page.evaluate(() => "axe" in window)) await page.addScriptTag({ url: "/test/axe.js" });
  const found = await page.evaluate(async () => (await axe.run()).violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`));
  assert.deepEqual(found, [], `axe, ${state}`);
}
