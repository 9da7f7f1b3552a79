// A headless browser over one hub: people in contexts of their own, signed in through the page. Everything a page fetches and logs is
// kept, so that a test can say: nothing from elsewhere, nothing against the policy.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { people } from "./hub.mjs";

const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));

/** Why the browser's tests cannot run here; undefined: they can. */
export const missing = executablePath ? undefined : "no Chromium here (set CHROMIUM)";

export class Browser {
  static async start(hub) {
    const browser = new Browser();
    browser.hub = hub;
    browser.chromium = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    browser.faults = [];
    browser.fetched = [];
    return browser;
  }
  /** A page of nobody yet. */
  async page(options = {}) {
    const context = await this.chromium.newContext({ viewport: { width: 1360, height: 820 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on("pageerror", (error) => this.faults.push(error.message));
    page.on("console", (message) => {
      if (/Content Security Policy|Refused to/.test(message.text())) this.faults.push(message.text());
    });
    page.on("request", (request) => this.fetched.push(request.url()));
    await page.goto(this.hub.url);
    return page;
  }
  /** A page of that person, at `place` (`grid`, `streams?view=wall`). */
  async as(person, place = "streams", options = {}) {
    const page = await this.page(options);
    await page.getByLabel("E-mail").fill(person.email);
    await page.getByLabel("Password").fill(person.password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("navigation", { name: "Pages" }).waitFor();
    if (place !== "streams") await page.goto(`${this.hub.url}/#/${place}`);
    return page;
  }
  stop() {
    return this.chromium.close();
  }
}

export const live = (page) => page.locator('.lamp[data-state="live"]').waitFor({ timeout: 60_000 });
export const cell = (page, id, field) => page.locator(`#stream_${id}_${field}`);
/** Selects a cell and types into it; the edit stays open. */
export async function typeInto(page, id, field, text) {
  await cell(page, id, field).click();
  await page.keyboard.type(text);
}
export { people };
