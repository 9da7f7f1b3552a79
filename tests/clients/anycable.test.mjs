// The unmodified @anycable/core on the base protocol: sorted identifiers, one confirmation, no second.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createCable } from "@anycable/core";
import WebSocket from "ws";
import { Hub, people, sleep, until } from "./hub.mjs";

let hub, bot;
const open = [];
const cable = (token, options = {}) => {
  const made = createCable(`${hub.cable}?token=${token}`, {
    websocketImplementation: class extends WebSocket {
      constructor(url, protocols, more) {
        super(url, protocols, { ...more, origin: hub.url });
      }
    },
    ...options,
  });
  open.push(made);
  return made;
};

before(async () => {
  hub = await Hub.start();
  bot = await hub.token(people.bot);
});
after(async () => {
  open.forEach((c) => c.disconnect());
  await hub?.stop();
});

test("two cables subscribe with the keys in another order, and both hear", async () => {
  const received = [[], []];
  for (const box of received) {
    const c = cable(await hub.token(people.viewer));
    const channel = c.subscribeTo("StreamsChannel", {});
    channel.on("message", (m) => box.push(m));
    await channel.ensureSubscribed();
  }
  const { id } = await hub.addStream(bot, "for_anycable");
  for (const box of received) await until(() => box.some((m) => m.stream?.id === id), () => JSON.stringify(box));
  await sleep(300);
  for (const box of received) assert.equal(box.filter((m) => m.action === "created" && m.stream.id === id).length, 1);
});

test("a rejected channel says so", async () => {
  const c = cable(await hub.token(people.viewer));
  const channel = c.subscribeTo("NoSuchChannel", {});
  await assert.rejects(channel.ensureSubscribed(), /reject/i);
});

test("an unsubscribed channel hears nothing more, and may come back", async () => {
  const c = cable(await hub.token(people.viewer));
  const box = [];
  const first = c.subscribeTo("StreamsChannel", {});
  first.on("message", (m) => box.push(m));
  await first.ensureSubscribed();
  first.disconnect();
  await sleep(500);
  await hub.addStream(bot, "while_away");
  await sleep(300);
  assert.equal(box.length, 0);
  const again = c.subscribeTo("StreamsChannel", {});
  again.on("message", (m) => box.push(m));
  await again.ensureSubscribed();
  await hub.addStream(bot, "back_again");
  await until(() => box.some((m) => m.stream?.link.endsWith("back_again")));
});
