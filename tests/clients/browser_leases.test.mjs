// What time does to a lock, seen in real browsers: it outlives its first term while somebody types, ends for whoever does not, and moves
// between two tabs of one person. The terms are the contract's own (thirty seconds), so this story takes a while.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, cell, missing, people, typeInto } from "./browser.mjs";
import { Hub, sleep, until } from "./hub.mjs";
import { consumer, subscribe } from "./rails.mjs";

const LEASE_MS = 30_000;
/** Ten minutes of doing nothing: run it with SLOW=1. */
const slow = missing ?? (process.env.SLOW ? undefined : "takes ten minutes; set SLOW=1");
let hub, browser, ana, ben, ids, watcher;

before(async () => {
  if (missing) return;
  hub = await Hub.start();
  browser = await Browser.start(hub);
  const token = await hub.token(people.admin);
  ids = [];
  for (const name of ["one", "two", "three", "four"]) ids.push((await hub.addStream(token, name, { title: `The ${name}` })).id);
  [ana, ben] = await Promise.all([browser.as(people.ana, "grid"), browser.as(people.ben, "grid")]);
  await ana.getByRole("list", { name: "2 in the grid" }).waitFor();
  watcher = subscribe(consumer(hub, await hub.token(people.viewer)), { channel: "CollaborativeStreamsChannel" });
  await until(() => watcher.connected);
});
after(async () => {
  watcher?.subscription.consumer.disconnect();
  await browser?.stop();
  await hub?.stop();
});
const holder = (page, id, name) => cell(page, id, "title").locator(".holder", { hasText: name });
const told = (action, id) => watcher.of(action).filter((message) => message.cell_id === `stream_${id}_title`);

test("a lock is held past its term by whoever types, and ends, for both to see, for whoever does not", { skip: missing }, async () => {
  const [typed, left] = ids;
  await cell(ben, left, "title").dblclick();
  await holder(ana, left, "ben").waitFor();
  const began = Date.now();
  await cell(ana, typed, "title").click();
  // Faster than autosave, so that the lock is renewed and not taken anew.
  let text = "";
  while (Date.now() - began < LEASE_MS + 6000) {
    await ana.keyboard.type("a");
    text += "a";
    await sleep(400);
  }
  assert.equal(await holder(ben, typed, "ana").count(), 1, "still hers");
  assert.deepEqual(told("cell_unlocked", typed), [], "she never lost it");
  assert.ok(told("cell_locked", typed).length >= 3, "renewed while she typed");
  await cell(ben, typed, "title").dblclick();
  await ben.getByRole("status").filter({ hasText: "ana is editing this cell" }).waitFor();
  await ana.keyboard.press("Enter");
  await cell(ben, typed, "title").filter({ hasText: text }).waitFor();

  await until(() => told("cell_unlocked", left).some(({ reason }) => reason === "expired"), () => "it did not end", 20_000);
  await holder(ana, left, "ben").waitFor({ state: "detached" });
});

test("whoever lost a lock by doing nothing is told so, and takes it again by typing", { skip: missing }, async () => {
  const [, , id] = ids;
  await cell(ben, id, "title").dblclick();
  await holder(ana, id, "ben").waitFor();
  await ben.locator(".editor-word", { hasText: "Your lock on this cell has ended" }).waitFor({ timeout: LEASE_MS + 20_000 });
  await holder(ana, id, "ben").waitFor({ state: "detached" });
  await ben.keyboard.type("Back again");
  await holder(ana, id, "ben").waitFor();
  await ben.locator(".editor-word").waitFor({ state: "detached" });
  await ben.keyboard.press("Enter");
  await cell(ana, id, "title").filter({ hasText: "Back again" }).waitFor();
});

test("one's own lock is shown in one's other tab, which may take it over; the first is told", { skip: missing }, async () => {
  const id = ids[3];
  const second = await browser.as(people.ana, "grid");
  await cell(second, id, "title").waitFor();
  assert.equal(await ana.locator(".people li").count(), 3, "ana, ben and the watcher: one entry for each, whatever the number of tabs");
  await typeInto(ana, id, "title", "From the first tab");
  await holder(second, id, "you, in another tab").waitFor();
  await holder(ben, id, "ana").waitFor();
  await typeInto(second, id, "title", "From the second tab");
  await ana.getByText("You are editing this cell in another tab").waitFor();
  await second.keyboard.press("Enter");
  await cell(ben, id, "title").filter({ hasText: "From the second tab" }).waitFor();
  await second.context().close();
  await ana.keyboard.press("Escape");
});

test("somebody who comes later sees at once which cells are held", { skip: missing }, async () => {
  await cell(ben, ids[0], "city").dblclick();
  await cell(ana, ids[0], "city").locator(".holder").waitFor();
  const late = await browser.as(people.viewer, "grid");
  await cell(late, ids[0], "city").locator(".holder", { hasText: "ben" }).waitFor();
  await ben.keyboard.press("Escape");
  await cell(late, ids[0], "city").locator(".holder").waitFor({ state: "detached" });
  await late.context().close();
});

test("who does nothing for ten minutes is shown as idle, and awake again with the first key", { skip: slow, timeout: 15 * 60_000 }, async () => {
  const bens = (idle) => ana.locator(`.people li[data-idle="${idle}"]`, { hasText: "ben" });
  await typeInto(ana, ids[0], "notes", "awake");
  await ana.keyboard.press("Enter");
  await bens(false).waitFor();
  await bens(true).waitFor({ timeout: 12 * 60_000 });
  assert.match(await bens(true).getAttribute("title"), /ben, idle/);
  await typeInto(ben, ids[0], "notes", "awake, too");
  await bens(false).waitFor();
  await ben.keyboard.press("Enter");
});

test("nothing broke and nothing was against the policy", { skip: missing }, () => assert.deepEqual(browser.faults, []));
