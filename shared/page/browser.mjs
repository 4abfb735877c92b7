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

// windows are the windows in which a page is to fit. The dark one differs from the light one in its colors only.
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

// cutOff lists the elements that reach out of their panel or the window, or whose content is wider than they are: a user
// sees only part of them. Text that ends in an ellipsis is not listed.
export const cutOff = (page) => page.evaluate(() => [document.documentElement, ...document.querySelectorAll("body > :not(main), main > *")].flatMap((panel) => {
  const box = panel.getBoundingClientRect();
  return [...panel.querySelectorAll("*")].filter((e) => {
    const { left, right, width } = e.getBoundingClientRect();
    if (!width || !e.checkVisibility() || e.closest(".unseen")) return false;
    return left < box.left - 1 || right > box.right + 1 || e.clientWidth && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).textOverflow !== "ellipsis";
  }).map((e) => `${e.localName}${e.id && `#${e.id}`}.${e.className} in ${panel.id || panel.className}: ${e.textContent.slice(0, 40)}`);
}));

// isWhole checks at the widths of desktops, tablets and a phone that nothing of the page is cut off. All of the page is
// laid out for it, and little is painted.
export async function isWhole(page, state) {
  await page.evaluate(() => { for (const panel of document.querySelectorAll("main > *")) panel.style.contentVisibility = "visible"; });
  for (const width of [1280, 1024, 925, 740, 560, 390]) {
    await page.setViewportSize({ width, height: 400 });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))); // charts follow their width
    assert.deepEqual(await cutOff(page), [], `${state}, in a window of ${width} pixels`);
  }
}

// fits checks that nothing of the page is cut off, that all controls have names, and what axe checks; the server of the
// page has axe at /test/axe.js.
export async function fits(page, state) {
  assert.deepEqual(await cutOff(page), [], state);
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, summary, img:not([alt=''])")]
    .filter((e) => !(e.labels?.[0]?.textContent.trim() || e.closest("label")?.querySelector("[alt]") || e.textContent.trim() || e.alt)).map((e) => e.outerHTML));
  assert.deepEqual(nameless, [], state);
  if (!await page.evaluate(() => "axe" in window)) await page.addScriptTag({ url: "/test/axe.js" });
  const found = await page.evaluate(async () => (await axe.run()).violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`));
  assert.deepEqual(found, [], `axe, ${state}`);
}

// laidOut waits until a page shows its sections, which takes a frame for each.
export const laidOut = (page) => page.locator("main > section:not(.shown)").first().waitFor({ state: "detached" });
