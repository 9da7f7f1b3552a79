// The unmodified clients through kill -9, graceful restarts and cut lines: extended ones hear every acknowledged message once and in order,
// base ones nothing twice. RESTART_ROUNDS says how often (each round is one kill and one restart).
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCable as createCoreCable } from "@anycable/core";
import { createCable as createWebCable } from "@anycable/web";
import WebSocket from "ws";
import { Hub, people, sleep, until } from "./hub.mjs";
import { Line } from "./line.mjs";
import { consumer, lookAtThePage, subscribe } from "./rails.mjs";

const rounds = Number(process.env.RESTART_ROUNDS ?? 3);
const patience = 60_000;

const socket = (hub) =>
  class extends WebSocket {
    constructor(url, protocols, more) {
      super(url, protocols, { ...more, origin: hub.url });
    }
  };

/** An AnyCable client on the streams' channel: what it heard, how often it was connected, and restored. */
function anycable(create, protocol, hub, token, port = hub.port, params = {}) {
  const url = `ws://127.0.0.1:${port}/cable?token=${token}`;
  // A tenth of a second instead of several: rounds are many.
  const cable = create(url, { protocol, websocketImplementation: socket(hub), reconnectStrategy: () => 100, logLevel: "error" });
  const seen = { ids: [], connected: 0, restored: 0, lost: [], cable };
  cable.on("connect", ({ restored }) => (seen.restored += restored ? 1 : 0));
  seen.channel = cable.subscribeTo("StreamsChannel", params);
  seen.channel.on("connect", (how) => (seen.connected += how?.restored ? 0 : 1));
  seen.channel.on("message", (m) => m.action === "created" && seen.ids.push(m.stream.id));
  seen.channel.on("info", (info) => info.type === "history_not_found" && seen.lost.push(info));
  return seen;
}

/** Adds streams one after the other and never gives one up: what is answered at last is there, once. */
function publisher(hub, token) {
  const said = { ids: [], stopped: false };
  let number = 0;
  said.one = async () => {
    const link = `https://www.twitch.tv/numbered_${number++}`;
    for (;;) {
      const reply = await hub.call(token, "POST", "/api/v1/streams", { link, source: "Discord" }).catch(() => null);
      if (reply?.status === 201 || reply?.status === 200) {
        said.ids.push(reply.body.id);
        return reply.body.id;
      }
      await sleep(20);
    }
  };
  said.talking = (async () => {
    while (!said.stopped) {
      await said.one();
      await sleep(2);
    }
  })();
  return said;
}

const once = (ids) => assert.equal(new Set(ids).size, ids.length, "something came twice");

test(`nothing is lost or doubled through ${rounds} kills and ${rounds} restarts`, { timeout: 60_000 + rounds * 60_000 }, async () => {
  const hub = await Hub.start();
  const open = [];
  try {
    const token = await hub.token(people.viewer);
    const made = (create, protocol) => {
      const seen = anycable(create, protocol, hub, token);
      open.push(() => seen.cable.disconnect());
      return seen;
    };
    const extended = [made(createCoreCable, "actioncable-v1-ext-json"), made(createWebCable, "actioncable-v1-ext-json")];
    const based = [made(createCoreCable, "actioncable-v1-json"), made(createWebCable, "actioncable-v1-json")];
    const rails = consumer(hub, token);
    open.push(() => rails.disconnect());
    const onRails = subscribe(rails, { channel: "StreamsChannel" });
    const railsIds = () => onRails.of("created").map((m) => m.stream.id);
    const connected = () => [...extended, ...based, onRails].every((seen) => seen.connected);
    await until(connected, () => "not connected", patience);

    const said = publisher(hub, await hub.token(people.bot));
    for (let round = 1; round <= rounds * 2; round++) {
      const graceful = round % 2 === 0;
      await sleep(50 + Math.random() * 250);
      for (const seen of [...based, onRails]) seen.connected = 0;
      await (graceful ? hub.halt() : hub.kill());
      await hub.up();
      lookAtThePage();
      const back = () => [...based, onRails].every((seen) => seen.connected);
      await until(back, () => `round ${round}: ${[...based, onRails].map((seen) => seen.connected)} came back`, patience);
      // Whoever is back hears what is said now.
      const after = await hub.addStream(await hub.token(people.bot), `after_round_${round}`).then((stream) => stream.id);
      for (const ids of [...based.map((seen) => () => seen.ids), railsIds]) await until(() => ids().includes(after), () => `round ${round}: not heard`, patience);
      for (const seen of extended) await until(() => seen.ids.includes(after), () => `round ${round}: not heard by an extended client`, patience);
    }
    said.stopped = true;
    await said.talking;
    const { body } = await hub.call(token, "GET", "/api/v1/streams?per_page=1");
    const total = body.meta.total_count;
    for (const seen of extended) {
      await until(() => seen.ids.length >= total, () => `${seen.ids.length} of ${total}`, patience);
      once(seen.ids);
      assert.deepEqual(seen.lost, [], "a history could not be told");
      assert.equal(seen.ids.length, total);
      const own = new Set(said.ids);
      assert.deepEqual(seen.ids.filter((id) => own.has(id)), said.ids, "in the order in which they were acknowledged");
    }
    assert.deepEqual(extended[0].ids, extended[1].ids);
    for (const ids of [...based.map((seen) => seen.ids), railsIds()]) {
      once(ids);
      const place = new Map(extended[0].ids.map((id, at) => [id, at]));
      assert.deepEqual(ids, [...ids].sort((a, b) => place.get(a) - place.get(b)), "in order");
    }
    console.log(`# ${rounds * 2} restarts: ${total} messages, each once; ${based.map((s) => s.ids.length)} and ${railsIds().length} heard by base clients`);
  } finally {
    open.forEach((close) => close());
    await hub.stop();
  }
});

test("a cut line is taken up again: restored, nothing lost, nothing doubled", async () => {
  const hub = await Hub.start();
  const line = await Line.to(hub.port);
  const open = [];
  try {
    const token = await hub.token(people.viewer);
    const clients = [createCoreCable, createWebCable].map((create) => anycable(create, "actioncable-v1-ext-json", hub, token, line.port));
    clients.forEach((seen) => open.push(() => seen.cable.disconnect()));
    await until(() => clients.every((seen) => seen.connected), () => "not connected", patience);
    const said = publisher(hub, await hub.token(people.bot));
    for (let round = 1; round <= 10; round++) {
      await sleep(100);
      line.cut({ noticed: round % 2 === 0 });
      await until(() => clients.every((seen) => seen.restored >= round), () => `round ${round}: ${clients.map((seen) => seen.restored)}`, patience);
    }
    said.stopped = true;
    await said.talking;
    for (const seen of clients) {
      await until(() => seen.ids.length >= said.ids.length, () => `${seen.ids.length} of ${said.ids.length}`, patience);
      assert.deepEqual(seen.ids, said.ids);
      assert.equal(seen.connected, 1, "never subscribed anew");
      assert.deepEqual(seen.lost, []);
    }
  } finally {
    open.forEach((close) => close());
    line.close();
    await hub.stop();
  }
});

test("who was away longer than memory reaches, while the hub was killed, is told everything from the journal", async () => {
  const hub = await Hub.start();
  const line = await Line.to(hub.port);
  const open = [];
  try {
    const token = await hub.token(people.viewer);
    const made = (create, params) => {
      const seen = anycable(create, "actioncable-v1-ext-json", hub, token, line.port, params);
      open.push(() => seen.cable.disconnect());
      return seen;
    };
    const clients = [made(createCoreCable), made(createWebCable), made(createCoreCable, { status: "live" }), made(createWebCable, { status: "live" })];
    await until(() => clients.every((seen) => seen.connected), () => "not connected", patience);
    const bot = await hub.token(people.bot);
    const added = { all: [], live: [] };
    const add = async (number) => {
      const status = number % 2 ? "live" : "offline";
      const { id } = await hub.addStream(bot, `away_${number}`, { status });
      added.all.push(id);
      if (status === "live") added.live.push(id);
    };
    for (let number = 0; number < 4; number++) await add(number);
    await until(() => clients.every((seen) => seen.ids.length >= 2), () => "not heard", patience);
    line.down = true;
    line.cut();
    // More than the hub's memory holds of one topic, around a kill.
    for (let number = 4; number < 700; number++) await add(number);
    await hub.kill();
    await hub.up();
    for (let number = 700; number < 1_300; number++) await add(number);
    line.down = false;
    for (const [at, seen] of clients.entries()) {
      const expected = at < 2 ? added.all : added.live;
      await until(() => seen.ids.length >= expected.length, () => `client ${at}: ${seen.ids.length} of ${expected.length}`, patience);
      assert.deepEqual(seen.ids, expected);
      assert.deepEqual(seen.lost, []);
    }
    await add(1_301);
    await until(() => clients.every((seen) => seen.ids.at(-1) === added.all.at(-1)), () => "live again", patience);
  } finally {
    open.forEach((close) => close());
    line.close();
    await hub.stop();
  }
});

test("after a logout the line may be cut, and nothing is restored", async () => {
  const hub = await Hub.start();
  const line = await Line.to(hub.port);
  let seen;
  try {
    const token = await hub.token(people.viewer);
    seen = anycable(createCoreCable, "actioncable-v1-ext-json", hub, token, line.port);
    await until(() => seen.connected, () => "not connected", patience);
    const gone = [];
    seen.cable.on("disconnect", (error) => gone.push(`${error.reason}`));
    seen.cable.on("close", (error) => gone.push(`${error?.reason}`));
    line.cut();
    await hub.call(token, "DELETE", "/api/v1/logout");
    await until(() => gone.includes("unauthorized") || seen.restored, () => `${gone}`, patience);
    // It may have been back before the logout was done, and is then sent away like anybody.
    await until(() => gone.includes("unauthorized"), () => `${gone}`, patience);
  } finally {
    seen?.cable.disconnect();
    line.close();
    await hub.stop();
  }
});
