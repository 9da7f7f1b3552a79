// @anycable/core's presence, unmodified: who has joined a stream, told to everybody on it, also over a cut line; and over REST.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { createCable } from "@anycable/core";
import WebSocket from "ws";
import { Hub, people, sleep, until } from "./hub.mjs";
import { Line } from "./line.mjs";

const secret = "s3Krit";
const key = createHmac("sha256", secret).update("api-cable").digest("hex");
let hub, token;
const open = [];

before(async () => {
  hub = await Hub.start({ config: `[pubsub]\nsecret = "${secret}"\npublic = true\n[cable]\npresence_ttl_s = 2\n` });
  token = await hub.token(people.viewer);
});
after(async () => {
  open.forEach((close) => close());
  await hub?.stop();
});

/** An extended client on a public stream, and every presence event that it saw. */
async function listener(name, port = hub.port) {
  const cable = createCable(`ws://127.0.0.1:${port}/cable?token=${token}`, {
    protocol: "actioncable-v1-ext-json",
    reconnectStrategy: () => 100,
    logLevel: "error",
    websocketImplementation: class extends WebSocket {
      constructor(url, protocols, more) {
        super(url, protocols, { ...more, origin: hub.url });
      }
    },
  });
  open.push(() => cable.disconnect());
  const seen = { cable, events: [], restored: 0 };
  cable.on("connect", ({ restored }) => (seen.restored += restored ? 1 : 0));
  seen.channel = cable.streamFrom(name);
  seen.channel.on("presence", (event) => event.type !== "info" && seen.events.push(`${event.type} ${event.id}`));
  await seen.channel.ensureSubscribed();
  return seen;
}

async function users(path, headers = { authorization: `Bearer ${key}` }, method = "GET") {
  const reply = await fetch(`${hub.url}${path}`, { method, headers });
  return { status: reply.status, body: reply.status === 200 ? await reply.json() : await reply.text() };
}

test("clients see who is there, who comes and who goes", async () => {
  const [ann, ben] = [await listener("chat/1"), await listener("chat/1")];
  assert.deepEqual(await ben.channel.presence.info(), {});
  await ann.channel.presence.join("ann", { name: "Ann" });
  await until(() => ann.events.length && ben.events.length);
  await ben.channel.presence.join("ben", { name: "Ben" });
  await until(() => ann.events.length === 2 && ben.events.length === 2, () => JSON.stringify([ann.events, ben.events]));
  assert.deepEqual(await ann.channel.presence.info(), { ann: { name: "Ann" }, ben: { name: "Ben" } });
  assert.deepEqual(await ben.channel.presence.info(), { ann: { name: "Ann" }, ben: { name: "Ben" } });

  const told = await users(`/api/presence/${encodeURIComponent("chat/1")}/users`);
  assert.equal(told.status, 200);
  assert.deepEqual(told.body, { type: "info", total: 2, records: [{ info: { name: "Ann" }, id: "ann" }, { info: { name: "Ben" }, id: "ben" }] });

  await ben.channel.presence.leave();
  ann.channel.disconnect();
  await until(() => ben.events.includes("leave ben") && ben.events.includes("leave ann"), () => JSON.stringify(ben.events));
  assert.deepEqual((await users("/api/presence/chat%2F1/users")).body, { type: "info", total: 0 });
});

test("a cut line is no event where its client is soon back, and a departure where it is not", async () => {
  const line = await Line.to(hub.port);
  open.push(() => line.close());
  const [watching, ann] = [await listener("room"), await listener("room", line.port)];
  await ann.channel.presence.join("ann", 1);
  await until(() => watching.events.length === 1);
  line.cut();
  await until(() => ann.restored === 1, () => "not restored");
  await sleep(3_000);
  assert.deepEqual(watching.events, ["join ann"], "she joined again by herself, and nobody noticed that she was away");
  ann.cable.disconnect();
  await until(() => watching.events.length === 2, () => JSON.stringify(watching.events));
  assert.deepEqual(watching.events, ["join ann", "leave ann"]);
});

test("over REST, one must hold the key and ask properly", async () => {
  for (const [path, headers, method, status] of [
    ["/api/presence/room/users", {}, "GET", 401],
    ["/api/presence/room/users", { authorization: "Bearer nonsense" }, "GET", 401],
    ["/api/presence/room/users", undefined, "POST", 422],
    ["/api/presence/room", undefined, "GET", 404],
    ["/api/presence/users", undefined, "GET", 404],
    ["/api/presence//users", undefined, "GET", 404],
    ["/api/presence/%ff/users", undefined, "GET", 404],
    ["/api/presence/a/b%20c/users", undefined, "GET", 200],
  ]) {
    assert.equal((await users(path, headers, method)).status, status, `${method} ${path}`);
  }
});
