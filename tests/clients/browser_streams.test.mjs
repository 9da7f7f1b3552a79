// The streams' page in a real browser: ten thousand rows, filters, pins, the archive, the import with bad lines, the export, the door.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Browser, live, missing, people } from "./browser.mjs";
import { Hub, until } from "./hub.mjs";

const ROWS = 10_000;
let hub, browser, token, page;

before(async () => {
  if (missing) return;
  hub = await Hub.start();
  browser = await Browser.start(hub);
  token = await hub.token(people.admin);
  const status = ["live", "offline", "unknown", "error"];
  for (let start = 0; start < ROWS; start += 2000) {
    const streams = Array.from({ length: 2000 }, (_, n) => ({
      link: `https://www.twitch.tv/row${start + n}`, source: "Discord", title: `Row ${start + n}`, city: n % 2 ? "Oakland" : "Austin", status: status[n % 4],
    }));
    const { body } = await hub.call(token, "POST", "/api/v1/streams/bulk_import", { streams });
    assert.equal(body.imported, 2000, JSON.stringify(body.errors.slice(0, 3)));
  }
  page = await browser.as(people.admin);
  await live(page);
});
after(async () => {
  await browser?.stop();
  await hub?.stop();
});
const lines = () => page.locator(".table-body .row");
const chip = (name) => page.getByRole("group", { name: "Status" }).getByRole("button", { name });

/** What the page's own thread is busy for, per screenful scrolled, in milliseconds. */
async function cost(metrics) {
  const before = await metrics();
  const steps = await page.locator(".table-scroll").evaluate(async (scroller) => {
    const last = scroller.scrollHeight - scroller.clientHeight;
    let by = 800;
    for (let step = 0; step < 60; step++) {
      if (scroller.scrollTop + by > last || scroller.scrollTop + by < 0) by = -by;
      scroller.scrollTop += by;
      await new Promise((done) => requestAnimationFrame(done));
    }
    return 60;
  });
  return ((await metrics()) - before) / steps;
}

test("ten thousand rows are there, of which a screenful exists, and scroll as lightly as a hundred", { skip: missing }, async (story) => {
  await chip(/^All 10,000$/).waitFor();
  assert.equal(browser.fetched.filter((url) => /\/api\/v1\/streams\?/.test(url)).length, 1, "read in one request");
  assert.ok((await lines().count()) < 60, "only rows in sight exist");
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const busy = async () => (await session.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  const search = page.getByLabel("Search streams");
  const seen = { few: [], many: [] };
  // Turn by turn, and the best of each: a machine that builds beside the browser takes time away from single turns.
  for (let turn = 0; turn < 4; turn++) {
    await search.fill("row 99");
    await page.getByText("111 of 10,000").waitFor();
    seen.few.push(await cost(busy));
    await search.fill("");
    await page.getByText("111 of 10,000").waitFor({ state: "detached" });
    seen.many.push(await cost(busy));
  }
  const ratio = Math.min(...seen.many) / Math.min(...seen.few);
  story.diagnostic(`a screenful of ten thousand rows costs ${ratio.toFixed(2)} times one of a hundred`);
  assert.ok(ratio < 2.5, `a screenful of ten thousand costs ${ratio.toFixed(2)} times one of a hundred: ${JSON.stringify(seen)}`);
  await page.locator(".table-scroll").evaluate((scroller) => (scroller.scrollTop = scroller.scrollHeight));
  await lines().filter({ hasText: "Row 0" }).first().waitFor();
});

test("while the list is read one sees how far it is, and that it is not all", { skip: missing }, async () => {
  const own = await browser.page();
  const session = await own.context().newCDPSession(own);
  await session.send("Network.enable");
  // A line on which ten thousand rows take a few seconds.
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: 3e6, uploadThroughput: 1e6 });
  await own.getByLabel("E-mail").fill(people.viewer.email);
  await own.getByLabel("Password").fill(people.viewer.password);
  await own.getByRole("button", { name: "Sign in", exact: true }).click();
  const bar = own.getByRole("progressbar", { name: "Reading the streams" });
  await until(() => bar.evaluate((element) => element.value > 0 && element.value < 10_000 && element.max === 10_000, null, { timeout: 500 }).catch(() => false), () => "no progress was seen", 30_000);
  await own.locator(".table-body .row").first().waitFor();
  await own.locator(".lamp", { hasText: /^reading [\d,]+ of 10,000$/ }).waitFor();
  await live(own);
  await own.getByRole("button", { name: /^All 10,000$/ }).waitFor();
  await own.context().close();
});

test("filters, search and sort show what they say", { skip: missing }, async () => {
  await page.locator(".table-scroll").evaluate((element) => (element.scrollTop = 0));
  await chip(/^live/i).click();
  await page.getByText("2,500 of 10,000").waitFor();
  await page.getByLabel("Search streams").fill("row 1236");
  await page.getByText("1 of 10,000").waitFor();
  assert.equal(await lines().count(), 1);
  await page.getByLabel("Search streams").fill("");
  await chip(/^All/).click();
  await page.getByRole("columnheader", { name: "Stream" }).getByRole("button").click();
  await lines().first().filter({ hasText: "Row 0" }).waitFor();
});

test("a row changes in place when a bot writes it, a new one comes on top", { skip: missing }, async () => {
  const row = lines().filter({ hasText: "Row 0" }).first();
  const id = await row.getAttribute("data-id");
  await hub.call(token, "PATCH", `/api/v1/streams/${id}`, { status: "checking" });
  await row.getByText("checking").waitFor();
  await page.getByRole("columnheader", { name: "Stream" }).getByRole("button").click();
  await page.getByRole("columnheader", { name: "Stream" }).getByRole("button").click();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByLabel("Link").fill("https://www.twitch.tv/fresh");
  await page.getByRole("dialog").getByLabel("title").fill("Fresh");
  await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
  await lines().first().filter({ hasText: "Fresh" }).waitFor();
});

test("a stream is pinned, put away and brought back", { skip: missing }, async () => {
  await page.getByLabel("Search streams").fill("Fresh");
  await page.getByRole("button", { name: "Pin Fresh" }).click();
  await lines().and(page.locator('[data-pinned="true"]')).waitFor();
  await page.getByRole("button", { name: "Archive Fresh" }).click();
  await page.getByText("None of the 10,000 streams fits.").waitFor();
  await page.getByRole("button", { name: "Archive", exact: true }).click();
  await page.getByRole("button", { name: "Bring back Fresh" }).click();
  await page.getByRole("button", { name: "Table", exact: true }).click();
  await lines().filter({ hasText: "Fresh" }).waitFor();
  await page.getByLabel("Search streams").fill("");
});

test("an import says of each line what became of it", { skip: missing }, async () => {
  const csv = 'link,title,city\nhttps://kick.com/one,"One, with a comma",Denver\nnot a link,Two,\nhttps://kick.com/three,Three,Denver,too many\nhttps://www.twitch.tv/row7,Known,\n';
  await page.getByRole("button", { name: "Import" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("File").setInputFiles({ name: "streams.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
  await dialog.getByText("4 lines, 1 of them cannot be read").waitFor();
  await dialog.getByRole("button", { name: "Import" }).click();
  await dialog.getByRole("button", { name: "Done" }).waitFor();
  const results = (await dialog.locator(".lines li").allTextContents()).join("\n");
  assert.match(results, /2https:\/\/kick\.com\/oneadded/);
  assert.match(results, /3not a linkLink must be a valid HTTP or HTTPS URL/);
  assert.match(results, /4.*has 4 cells, the heading 3/);
  assert.match(results, /5https:\/\/www\.twitch\.tv\/row7was there already/);
  await dialog.getByText("2 failed").waitFor();
  await dialog.getByRole("button", { name: "Done" }).click();
});

test("an import of thousands shows how far it is, and which few of them failed", { skip: missing }, async () => {
  const bad = new Set([7, 1500, 2999]);
  const line = (n) => (bad.has(n) ? `{"link":"https://kick.com/mass${n}","source":"x","status":"asleep"}` : `{"link":"https://kick.com/mass${n}","source":"x","title":"Mass ${n}"}`);
  const text = Array.from({ length: 3000 }, (_, n) => (n === 2000 ? "no json at all" : line(n))).join("\n");
  await page.getByRole("button", { name: "Import" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("File").setInputFiles({ name: "mass.jsonl", mimeType: "application/jsonl", buffer: Buffer.from(text) });
  await dialog.getByText("3,000 lines, 1 of them cannot be read").waitFor();
  await dialog.getByRole("button", { name: "Import" }).click();
  const bar = dialog.getByRole("progressbar", { name: "Import" });
  await bar.waitFor();
  const steps = new Set();
  await until(async () => {
    steps.add(await bar.evaluate((element) => element.value));
    return dialog.getByRole("button", { name: "Done" }).isVisible();
  }, () => `stuck at ${[...steps].at(-1)}`, 60_000);
  assert.ok(steps.size > 5, `seen to move: ${[...steps].slice(0, 20)}`);
  await dialog.getByText("2,996 added").waitFor();
  await dialog.getByText("4 failed").waitFor();
  await dialog.getByLabel("only failed").check();
  await until(async () => (await dialog.locator(".lines li").count()) === 4);
  const failed = (await dialog.locator(".lines li").allTextContents()).join("\n");
  for (const n of bad) assert.match(failed, new RegExp(`^${n + 1}https://kick.com/mass${n}Status is not included in the list`, "m"));
  assert.match(failed, /^2001no json at allThis line is no JSON/m);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByLabel("Search streams").fill("mass 2998");
  await lines().filter({ hasText: "Mass 2998" }).waitFor();
  await page.getByLabel("Search streams").fill("");
});

test("the export is what is shown", { skip: missing }, async () => {
  await page.getByLabel("Search streams").fill("kick.com/one");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByLabel("Export what is shown").selectOption("csv")]);
  const text = readFileSync(await file.path(), "utf8");
  assert.match(text, /"One, with a comma"/);
  assert.equal(text.trim().split(/\r?\n/).length, 2);
  await page.getByLabel("Search streams").fill("");
});

test("the page says what it missed when the hub was away", { skip: missing }, async () => {
  await hub.kill();
  await page.locator('.lamp[data-state="stale"]').waitFor();
  await page.getByText(/The connection is gone/).waitFor();
  await page.context().setOffline(true);
  await hub.up();
  token = await hub.token(people.admin);
  for (let n = 0; n < 3; n++) await hub.addStream(token, `meanwhile${n}`);
  await page.context().setOffline(false);
  await page.getByText(/^Back after .*: 3 new/).waitFor({ timeout: 30_000 });
  await live(page);
});

test("a reader sees everything and is offered nothing that is not for readers", { skip: missing }, async () => {
  const reader = await browser.as(people.viewer);
  await reader.locator(".table-body .row").first().waitFor();
  for (const name of ["Add", "Import"]) assert.equal(await reader.getByRole("button", { name, exact: true }).count(), 0, name);
  assert.equal(await reader.getByRole("link", { name: "System" }).count(), 0);
  await reader.goto(`${hub.url}/#/system`);
  await reader.getByText("The system is shown to administrators").waitFor();
  await reader.context().close();
});

test("a revoked session is shown the door at once", { skip: missing }, async () => {
  const guest = await browser.as(people.ana);
  await live(guest);
  const own = await guest.evaluate(() => sessionStorage.getItem("trunkline.token"));
  const began = Date.now();
  await hub.call(own, "DELETE", "/api/v1/logout");
  await guest.getByRole("button", { name: "Sign in", exact: true }).waitFor();
  assert.ok(Date.now() - began < 2000);
  await guest.getByText("Your session has ended").waitFor();
  await guest.context().close();
});

test("another role, a closed account and a deleted key show the door, too", { skip: missing }, async () => {
  const shown = async (guest, why) => {
    await guest.getByRole("button", { name: "Sign in", exact: true }).waitFor();
    await guest.getByText(/session has ended|signed out/).waitFor();
    assert.equal(await guest.evaluate(() => sessionStorage.length), 0, `${why}: nothing of it is kept`);
    assert.equal(await guest.locator(".row").count(), 0, `${why}: nothing of it is shown`);
    await guest.context().close();
  };
  token = await hub.token(people.admin);
  const me = (await hub.call(await hub.token(people.ben), "GET", "/api/v1/users/me")).body;
  for (const [why, change, back] of [["role", { role: "viewer" }, { role: "editor" }], ["closed", { disabled: true }, { disabled: false }]]) {
    const guest = await browser.as(people.ben, "grid");
    await live(guest);
    assert.equal((await hub.call(token, "PATCH", `/api/v1/users/${me.id}`, change)).status, 200);
    await shown(guest, why);
    await hub.call(token, "PATCH", `/api/v1/users/${me.id}`, back);
  }
  const { body: key } = await hub.call(token, "POST", "/api/v1/api_keys", { name: "a screen on a wall" });
  const screen = await browser.page();
  await screen.evaluate((own) => sessionStorage.setItem("trunkline.token", own), key.key);
  await screen.reload();
  await live(screen);
  await screen.locator(".table-body .row").first().waitFor();
  assert.equal((await hub.call(token, "DELETE", `/api/v1/api_keys/${key.id}`)).status, 204);
  await shown(screen, "key");
});

test("the first load stays small, keeps the policy and comes from here", { skip: missing }, async () => {
  const html = await (await fetch(hub.url)).text();
  const parts = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
  let bytes = Buffer.byteLength(html);
  for (const path of parts) {
    const reply = await fetch(hub.url + path, { headers: { "accept-encoding": "gzip" } });
    assert.equal(reply.status, 200, path);
    bytes += Number(reply.headers.get("content-length"));
    assert.match(reply.headers.get("content-security-policy"), /^default-src 'none'; script-src 'self'; style-src 'self'/);
  }
  assert.ok(bytes < 250 * 1024, `${bytes} bytes`);
  assert.ok(parts.some((path) => path.endsWith(".js")), "the full pages were built");
  await until(() => true);
  assert.deepEqual(browser.faults, []);
  assert.deepEqual(browser.fetched.filter((url) => !url.startsWith(hub.url) && !url.startsWith("blob:")), []);
});
