// Live dashboards: what a bot posts is seen at once, once, in commit order, by everyone who watches.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Hub, people, until } from "./hub.mjs";
import { consumer, subscribe } from "./rails.mjs";

let hub, bot;
const open = [];
const watch = async (person) => {
  const c = consumer(hub, await hub.token(person));
  open.push(c);
  const seen = subscribe(c, { channel: "StreamsChannel" });
  await until(() => seen.connected, () => "no confirmation");
  return seen;
};

before(async () => {
  hub = await Hub.start();
  bot = await hub.token(people.bot);
});
after(async () => {
  open.forEach((c) => c.disconnect());
  await hub?.stop();
});

test("two dashboards see every creation once and in commit order, and a duplicate not at all", async () => {
  const dashboards = [await watch(people.viewer), await watch(people.ana)];
  const posts = Array.from({ length: 200 }, (_, n) => hub.addStream(bot, `dash_${n}`));
  const ids = new Set((await Promise.all(posts)).map((s) => s.id));
  assert.equal(ids.size, 200);
  const twice = await hub.call(bot, "POST", "/api/v1/streams", { url: "http://TWITCH.tv/dash_7/", source: "Discord" });
  assert.equal(twice.status, 200);
  assert.equal(twice.body.duplicate, true);
  assert.equal(twice.headers.get("x-duplicate"), "true");
  for (const seen of dashboards) {
    await until(() => seen.of("created").length >= 200, () => `only ${seen.of("created").length} came`);
    const created = seen.of("created").map((m) => m.stream.id);
    assert.deepEqual([...new Set(created)].length, created.length, "something came twice");
    assert.deepEqual(new Set(created), ids);
  }
  assert.deepEqual(dashboards[0].of("created").map((m) => m.stream.id), dashboards[1].of("created").map((m) => m.stream.id));
});

test("a change, a pin, an archive and a delete are each told with the whole row", async () => {
  const seen = await watch(people.viewer);
  const { id } = await hub.addStream(bot, "changing");
  await hub.call(bot, "PATCH", `/api/v1/streams/${id}`, { status: "Live", title: "On air" });
  await hub.call(bot, "PATCH", `/api/v1/streams/${id}`, { title: "On air" });
  await hub.call(bot, "PUT", `/api/v1/streams/${id}/pin`);
  await hub.call(bot, "POST", `/api/v1/streams/${id}/archive`);
  assert.equal((await hub.call(bot, "DELETE", `/api/v1/streams/${id}`)).status, 204);
  await until(() => seen.received.some((m) => m.event === "stream.deleted"), () => JSON.stringify(seen.received));
  const mine = seen.received.filter((m) => m.stream.id === id);
  const updated = mine.find((m) => m.action === "updated");
  assert.equal(updated.stream.status, "live");
  assert.equal(updated.stream.title, "On air");
  assert.ok(updated.changes.includes("status") && updated.changes.includes("title"));
  assert.equal(mine.filter((m) => m.changes?.includes("title")).length, 1, "an update that changed nothing was told");
  assert.ok(mine.some((m) => m.action === "updated" && m.stream.is_pinned));
  assert.ok(mine.some((m) => m.action === "archived" && m.event === "stream.archived"));
});

test("twenty identical posts at once make one stream", async () => {
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      hub.call(bot, "POST", "/api/v1/streams", { link: `${n % 2 ? "https://www." : "http://"}kick.com/onlyone${n % 3 ? "" : "/"}`, source: "Discord" }),
    ),
  );
  assert.equal(replies.filter((r) => r.status === 201).length, 1);
  assert.equal(replies.filter((r) => r.status === 200).length, 19);
  assert.equal(new Set(replies.map((r) => r.body.id)).size, 1);
});

test("a token that was logged out is shown the door within a second, and so is nobody else", async () => {
  const token = await hub.token(people.viewer);
  const leaving = consumer(hub, token);
  open.push(leaving);
  const gone = subscribe(leaving, { channel: "StreamsChannel" });
  const staying = await watch(people.viewer);
  await until(() => gone.connected);
  await hub.call(token, "DELETE", "/api/v1/logout");
  await until(() => gone.disconnected.length, () => "still connected", 1000);
  assert.equal(gone.disconnected[0].willAttemptReconnect, false);
  assert.equal(staying.disconnected.length, 0);
});

test("without a token the cable says unauthorized and asks nobody to come back", async () => {
  const stranger = consumer(hub, "nonsense");
  open.push(stranger);
  const seen = subscribe(stranger, { channel: "StreamsChannel" });
  await until(() => seen.disconnected.length || stranger.connection.disconnected, () => "not refused");
  assert.equal(seen.connected, 0);
});

test("an unknown channel is rejected, not left waiting", async () => {
  const c = consumer(hub, await hub.token(people.viewer));
  open.push(c);
  const seen = subscribe(c, { channel: "NoSuchChannel" });
  await until(() => seen.rejected, () => "no rejection");
});
