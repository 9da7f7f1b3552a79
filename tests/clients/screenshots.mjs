// Every page in both themes, as pictures for the README: `node screenshots.mjs FOLDER` (make screenshots). Real pages of a real hub, fed
// with a recorded feed.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Browser, cell, live, missing } from "./browser.mjs";
import { Hub, people } from "./hub.mjs";

const folder = resolve(process.argv[2] ?? "screenshots");
const root = resolve(import.meta.dirname, "../..");
const feed = [join(root, "examples/data/livestreams.jsonl"), join(root, "../shared/data/livestreams.jsonl")].find(existsSync);
if (missing) throw new Error(missing);
mkdirSync(folder, { recursive: true });

const hub = await Hub.start({ config: "[server]\ndemo = true\ndemo_faults = true\n" });
const browser = await Browser.start(hub);
try {
  const token = await hub.token(people.admin);
  const status = ["live", "live", "offline", "live", "unknown", "offline", "checking", "live", "error", "offline"];
  const streams = readFileSync(feed, "utf8").trim().split("\n").slice(0, 400).map((line, n) => {
    const body = JSON.parse(line).body;
    const title = typeof body.title === "string" ? body.title.replace(/\s*—\s*[^—]*[^\p{Script=Latin}\p{Number}\p{Punctuation}\s—][^—]*$/u, "") : undefined;
    return { ...body, title, status: status[n % status.length] };
  });
  await hub.call(token, "POST", "/api/v1/streams/bulk_import", { streams });
  const { body } = await hub.call(token, "GET", "/api/v1/streams?per_page=6&status=live");
  for (const { id } of body.streams.slice(0, 3)) await hub.call(token, "PUT", `/api/v1/streams/${id}/pin`);
  await hub.call(token, "POST", "/api/v1/system/faults", { stream: body.streams[0].id, cause: "a fault that an administrator asked for" });
  const { streams: listed } = (await hub.call(token, "GET", "/api/v1/streams?per_page=100")).body;
  const [, , mine, , bens] = listed.map(({ id }) => id).sort((a, b) => a - b);
  const ben = await browser.as(people.ben, "grid");
  for (const colorScheme of ["light", "dark"]) {
    for (const [size, viewport] of [["", { width: 1360, height: 820 }], ["-phone", { width: 390, height: 780 }]]) {
      const options = { colorScheme, viewport, deviceScaleFactor: size ? 2 : 1 };
      const save = (page, name) => page.screenshot({ path: join(folder, `${name}${size}-${colorScheme}.png`) });
      const door = await browser.page(options);
      await door.getByText("Sign in").first().waitFor();
      await save(door, "sign-in");
      await door.context().close();
      const page = await browser.as(people.admin, "streams", options);
      await live(page);
      await page.waitForTimeout(2500);
      await save(page, "streams");
      await page.goto(`${hub.url}/#/streams?view=wall`);
      await page.locator(".card").first().waitFor();
      await page.waitForTimeout(500);
      await save(page, "wall");
      await page.goto(`${hub.url}/#/grid`);
      await cell(page, mine, "title").waitFor();
      await ben.bringToFront();
      await cell(ben, bens, "title").click();
      await ben.keyboard.type(`Ferry terminal, ${colorScheme === "light" ? "north" : "south"}${size && " side"}`);
      await page.bringToFront();
      await cell(page, mine, "title").click();
      await page.keyboard.type(`Old town market ${colorScheme} ${size}`.trim());
      await page.keyboard.press("Enter");
      await page.keyboard.press("ArrowUp");
      if (!size) await page.keyboard.press("Alt+h");
      await cell(page, bens, "title").locator(".holder").waitFor();
      await page.waitForTimeout(1200);
      await save(page, "grid");
      await ben.keyboard.press("Enter");
      await page.goto(`${hub.url}/#/system`);
      await page.locator('button.branch:has(b:text-is("stream"))').click();
      await page.waitForTimeout(9000);
      await save(page, "system");
      await page.context().close();
    }
  }
} finally {
  await browser.stop();
  await hub.stop();
}
