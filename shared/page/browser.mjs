// What the tests that drive a page in a browser share.
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
