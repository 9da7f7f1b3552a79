// Every page in both themes, wide and narrow, as pictures for the README: `node screenshots.mjs FOLDER` (make screenshots). Real pages of
// a real hub, fed from a recorded feed, with people in it and a bot at work.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Browser, cell, live, missing, typeInto } from "./browser.mjs";
import { Hub, people, sleep, toml } from "./hub.mjs";
import { consumer, subscribe } from "./rails.mjs";

const folder = resolve(process.argv[2] ?? "screenshots");
const root = resolve(import.meta.dirname, "../..");
const feed = [join(root, "examples/data/livestreams.jsonl"), join(root, "../shared/data/livestreams.jsonl")].find(existsSync);
if (missing) throw new Error(missing);
mkdirSync(folder, { recursive: true });

const mara = { email: "mara@example.org", password: "Admin-pass-9", role: "admin" };
const chen = { email: "chen@example.org", password: "Editor-pass-9", role: "editor" };
const SUBJECTS = ["Harbour at dawn", "City council, open session", "Night market walk", "Marathon, last mile", "Storm watch", "Farmers' market", "Bridge traffic", "Open-air concert", "Science fair", "Old town, live camera", "Ferry terminal", "Chess in the park", "Street food tour", "Sunset over the bay", "Snow line, pass road", "Library reading hour", "Model railway", "River level", "Bakery at five", "Tram depot", "Aurora watch", "Botanic garden", "Lighthouse", "Ice rink", "Jazz cellar", "Allotment gardens", "Airport apron"];
const STATUS = ["live", "live", "offline", "live", "checking", "live", "offline", "unknown", "live", "offline", "live", "error"];
const LOOKS = [["", { viewport: { width: 1360, height: 820 } }], ["-phone", { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2 }]];
const looks = ["light", "dark"].flatMap((colorScheme) => LOOKS.map(([size, screen]) => ({ name: `${size}-${colorScheme}`, phone: size !== "", colorScheme, options: { colorScheme, ...screen } })));
const save = (page, page_name, look) => page.screenshot({ path: join(folder, `${page_name}${look.name}.png`) });
const before = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();

/** Streams as a bot would have posted them over the last hours. */
function recorded() {
  const lines = readFileSync(feed, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  return lines.filter(({ expect, body }) => expect === "created" && body.platform !== "Unknown").map(({ body }, n) => {
    const status = STATUS[n % STATUS.length];
    const seen = status === "live" ? 0 : 11 * (n % 17) + 4;
    return { ...body, title: SUBJECTS[n % SUBJECTS.length], status, last_checked_at: before(n % 5), last_live_at: before(seen), started_at: before(seen + 13 * (n % 9) + 7) };
  });
}

/** Watchers and a bot, so that there is something to see: until the answer is called. */
async function traffic(hub, token, ids) {
  const watchers = [];
  let over = false;
  const work = async () => {
    for (let step = 0; !over; step++) {
      if (watchers.length < 36 && step % 2 === 0) {
        const watcher = consumer(hub, token);
        subscribe(watcher, { channel: "StreamsChannel" });
        watchers.push(watcher);
      }
      // Checks come in waves, as they do.
      const wave = 2 + Math.round(3 * (1 + Math.sin(step / 7)));
      for (let n = 0; n < wave; n++) await hub.call(token, "PATCH", `/api/v1/streams/${ids[(step * 7 + n) % ids.length]}`, { last_checked_at: new Date().toISOString() });
      await sleep(330);
    }
  };
  const working = work();
  return async () => {
    over = true;
    await working;
    watchers.forEach((watcher) => watcher.disconnect());
  };
}

const hub = await Hub.start({ config: `[server]\ndemo = true\ndemo_faults = true\n[streams]\nauto_archive = false\n${toml([mara, chen])}` });
const browser = await Browser.start(hub);
try {
  const token = await hub.token(people.bot);
  const admin = await hub.token(mara);
  await hub.call(token, "POST", "/api/v1/streams/bulk_import", { streams: recorded() });
  const { streams } = (await hub.call(token, "GET", "/api/v1/streams?per_page=100")).body;
  const ids = streams.map(({ id }) => id).sort((a, b) => a - b);
  for (const { id } of streams.filter(({ status }) => status === "live").slice(0, 3)) await hub.call(token, "PUT", `/api/v1/streams/${id}/pin`);

  for (const look of looks) {
    const door = await browser.page(look.options);
    await door.getByText("This is a demo").waitFor();
    await save(door, "sign-in", look);
    await door.context().close();
  }

  const rest = await traffic(hub, token, ids.filter((_, n) => n % 3 === 2));
  const pages = [];
  for (const look of looks) pages.push({ look, page: await browser.as(mara, "system", look.options) });
  const [ben, ana] = [await browser.as(people.ben, "grid"), await browser.as(people.ana, "grid")];
  await browser.as(chen, "grid");
  const [mine, bens, anas] = [ids[3], ids[6], ids[9]];
  const write = async (page, id, field, text) => {
    await page.bringToFront();
    await typeInto(page, id, field, text);
    await page.keyboard.press("Enter");
    await cell(page, id, field).filter({ hasText: text }).waitFor();
    await sleep(1500);
  };
  await write(ana, mine, "title", "Harbour, east pier");
  await write(ben, mine, "title", "Harbour, east pier (second camera)");
  for (const { name, cause } of [{ name: ids[12], cause: "index out of bounds: the len is 3 but the index is 3" }, { name: ids[15], cause: "attempt to subtract with overflow" }]) {
    await hub.call(admin, "POST", "/api/v1/system/faults", { stream: name, cause });
    await sleep(20_000);
  }
  for (const { look, page } of pages) {
    await page.bringToFront();
    await page.locator('button.branch:has(b:text-is("stream"))').click();
    await page.locator("#content").evaluate((content) => (content.scrollTop = 0));
    await sleep(2500);
    await page.mouse.move(0, 0);
    await save(page, "system", look);
  }

  for (const { look, page } of pages) {
    await page.bringToFront();
    await page.goto(`${hub.url}/#/streams`);
    await live(page);
    await page.locator(".table-body .row").first().waitFor();
    await sleep(1200);
    await save(page, "streams", look);
    await page.goto(`${hub.url}/#/streams?view=wall`);
    await page.locator(".card").first().waitFor();
    await sleep(1200);
    await save(page, "wall", look);
  }
  await rest();

  for (const { look, page } of pages) {
    await page.bringToFront();
    await page.goto(`${hub.url}/#/grid`);
    await cell(page, mine, "title").waitFor();
    await typeInto(page, mine, "title", look.phone ? "Harbour, east" : `Harbour, ${look.colorScheme === "light" ? "east" : "west"} pier, from above`);
    await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowUp");
    if (!look.phone) await page.keyboard.press("Alt+h");
    for (const [person, id, text] of [[ana, anas, look.phone ? "Night market" : "Night market, main street"], [ben, bens, look.phone ? "Storm watch" : "Storm watch, the coast"]]) {
      await person.bringToFront();
      await typeInto(person, id, "title", text);
      await page.bringToFront();
      await cell(page, id, "title").locator(".holder").waitFor();
    }
    // Autosaved, and what glowed has gone out.
    await sleep(3500);
    await save(page, "grid", look);
    for (const person of [ana, ben]) {
      await person.bringToFront();
      await person.keyboard.press("Enter");
    }
    await page.context().close();
  }
} finally {
  await browser.stop();
  await hub.stop();
}
process.exit(0);
