// permessage-deflate with the real `ws` and a real browser: agreed on, used in both directions, and what is heard is what was said.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { Browser, missing } from "./browser.mjs";
import { Hub, people, until } from "./hub.mjs";

const identifier = JSON.stringify({ channel: "StreamsChannel" });
const subscribe = JSON.stringify({ command: "subscribe", identifier });
let hub, bot;

before(async () => {
  hub = await Hub.start({ config: "[server]\ndeflate = true" });
  bot = await hub.token(people.bot);
});
after(() => hub?.stop());

/** A subscribed client: the frames it heard, and the bytes that came over its socket. */
async function client(token, options) {
  const socket = new WebSocket(`${hub.cable}?token=${token}`, ["actioncable-v1-json"], { origin: hub.url, ...options });
  const heard = [];
  socket.on("message", (data) => heard.push(JSON.parse(data.toString())));
  await once(socket, "open");
  socket.send(subscribe);
  await until(() => heard.some((frame) => frame.type === "confirm_subscription"));
  return { socket, heard, told: (id) => heard.find((frame) => JSON.stringify(frame.message ?? null).includes(`"id":${id},`)) };
}

test("ws hears the same with and without compression, over fewer bytes", async () => {
  const token = await hub.token(people.viewer);
  const packed = await client(token, { perMessageDeflate: { threshold: 0 } });
  const plain = await client(token, { perMessageDeflate: false });
  assert.match(packed.socket.extensions, /permessage-deflate/);
  assert.equal(plain.socket.extensions, "");
  const before = [packed, plain].map((one) => one.socket._socket.bytesRead);
  for (let round = 0; round < 20; round++) {
    const { id } = await hub.addStream(bot, `deflated_${round}`, { title: "a title that repeats itself ".repeat(8) });
    await until(() => packed.told(id) && plain.told(id), () => `stream ${id}`);
    assert.deepEqual(packed.told(id), plain.told(id));
  }
  const [less, more] = [packed, plain].map((one, at) => one.socket._socket.bytesRead - before[at]);
  assert.ok(less < more * 0.7, `${less} bytes against ${more}`);
  for (const { socket } of [packed, plain]) socket.close();
});

test("a browser agrees on it and hears everything", { skip: missing }, async () => {
  const browser = await Browser.start(hub);
  try {
    const page = await browser.page();
    const token = await hub.token(people.viewer);
    await page.evaluate(
      ([url, text]) => {
        globalThis.heard = [];
        globalThis.cable = new WebSocket(url, ["actioncable-v1-json"]);
        cable.onmessage = ({ data }) => heard.push(JSON.parse(data));
        cable.onopen = () => cable.send(text);
      },
      [`${hub.cable}?token=${token}`, subscribe],
    );
    await page.waitForFunction(() => heard.some((frame) => frame.type === "confirm_subscription"));
    assert.match(await page.evaluate(() => cable.extensions), /permessage-deflate/);
    const title = "ein Titel mit Umlauten äöü 😀 ".repeat(9);
    const { id } = await hub.addStream(bot, "deflated_browser", { title });
    await page.waitForFunction((id) => heard.some((frame) => JSON.stringify(frame.message ?? null).includes(`"id":${id},`)), id);
    assert.ok(await page.evaluate((title) => JSON.stringify(heard).includes(JSON.stringify(title.trim()).slice(1, -1)), title));
  } finally {
    await browser.stop();
  }
});
