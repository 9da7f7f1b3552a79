// What was acknowledged is there, once, whatever happened in between: a bot's real feed, killed in the middle and sent again.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { binary, Hub, people, sleep, until } from "./hub.mjs";
import { consumer, subscribe } from "./rails.mjs";

const root = resolve(import.meta.dirname, "../..");
const shared = resolve(root, "../shared/data");
const own = resolve(root, "examples/data");
const folder = existsSync(`${shared}/livestreams.jsonl`) ? shared : own;
const lines = readFileSync(`${folder}/livestreams.jsonl`, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const expected = JSON.parse(readFileSync(`${folder}/livestreams.expected.json`, "utf8"));

async function prepared() {
  const hub = await Hub.start();
  const admin = await hub.token(people.admin);
  const reply = await hub.call(admin, "POST", "/api/v1/ignore_lists/bulk_create", { entries: expected.ignore_list });
  assert.equal(reply.status, 201);
  assert.equal(reply.body.created.length, expected.ignore_list.length);
  return hub;
}

const outcome = { 201: "created", 200: "duplicate" };
const judge = (reply) => outcome[reply.status] ?? (reply.body.code === "MODERATION_BLOCKED" ? "blocked" : reply.status === 422 ? "invalid" : `${reply.status}`);

async function everyStream(hub, token) {
  const all = [];
  for (let page = 1; ; page++) {
    const { body } = await hub.call(token, "GET", `/api/v1/streams?per_page=100&page=${page}&sort=created_at&direction=asc`);
    all.push(...body.streams);
    if (!body.meta.next_page) return { all, total: body.meta.total_count };
  }
}

test("the feed comes out exactly, line by line, and a dashboard sees each creation once", async () => {
  const hub = await prepared();
  try {
    const bot = await hub.token(people.bot);
    const watching = consumer(hub, await hub.token(people.viewer));
    const seen = subscribe(watching, { channel: "StreamsChannel" });
    await until(() => seen.connected);
    const created = [];
    for (const [n, line] of lines.entries()) {
      const reply = await hub.call(bot, "POST", "/api/v1/streams", line.body);
      assert.equal(judge(reply), line.expect, `line ${n + 1}: ${JSON.stringify(line.body)} got ${reply.status} ${JSON.stringify(reply.body)}`);
      if (reply.status === 201) created.push(reply.body.id);
    }
    assert.equal(created.length, expected.totals.created);
    await until(() => seen.of("created").length >= created.length, () => `${seen.of("created").length} of ${created.length}`);
    await sleep(200);
    assert.deepEqual(seen.of("created").map((m) => m.stream.id), created, "each once, in commit order");
    watching.disconnect();
  } finally {
    await hub.stop();
  }
});

test("killed with -9 in the middle of the feed and sent it again, nothing acknowledged is missing and nothing is twice", async () => {
  const hub = await prepared();
  try {
    let bot = await hub.token(people.bot);
    const acknowledged = new Map();
    let next = 0;
    let dead = false;
    const worker = async () => {
      while (!dead && next < lines.length) {
        const line = lines[next++];
        const reply = await hub.call(bot, "POST", "/api/v1/streams", line.body).catch(() => null);
        if (reply?.status === 201) acknowledged.set(reply.body.id, reply.body.link);
        if (acknowledged.size >= expected.totals.created / 2 && !dead) {
          dead = true;
          await hub.kill();
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    assert.ok(dead, "the feed ended before the hub could be killed");
    await hub.up();
    bot = await hub.token(people.bot);
    const after = await everyStream(hub, bot);
    const there = new Map(after.all.map((s) => [s.id, s.link]));
    for (const [id, link] of acknowledged) assert.equal(there.get(id), link, `acknowledged stream ${id} is missing`);

    // Bare bodies: half of what the file expects to be created is there already.
    const again = `${hub.folder}/again.jsonl`;
    writeFileSync(again, lines.map((line) => JSON.stringify(line.body)).join("\n"));
    const feed = spawn(binary, ["feed", again, "--url", hub.url, "--email", people.bot.email, "--password", people.bot.password, "--json"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    feed.stdout.on("data", (chunk) => (out += chunk));
    const [code] = await once(feed, "exit");
    assert.equal(code, 0, out);
    const summary = JSON.parse(out.trim().split("\n").at(-1));
    assert.equal(summary.created + summary.duplicate, expected.totals.created + expected.totals.duplicate, out);
    assert.equal(summary.invalid, expected.totals.invalid);
    assert.equal(summary.blocked, expected.totals.blocked);

    const final = await everyStream(hub, bot);
    assert.equal(final.total, expected.totals.created);
    assert.equal(new Set(final.all.map((s) => s.id)).size, expected.totals.created);
    for (const [id, link] of acknowledged) assert.equal(final.all.find((s) => s.id === id)?.link, link);
  } finally {
    await hub.stop();
  }
});

test("a graceful stop tells every client to come back, and they do", async () => {
  const hub = await Hub.start();
  try {
    const watching = consumer(hub, await hub.token(people.viewer));
    const seen = subscribe(watching, { channel: "StreamsChannel" });
    await until(() => seen.connected);
    hub.process.kill("SIGTERM");
    const [code] = await hub.exited;
    assert.equal(code, 0);
    await until(() => seen.disconnected.length);
    assert.equal(seen.disconnected[0].willAttemptReconnect, true);
    await hub.up();
    await until(() => seen.connected === 2, () => "did not come back", 30_000);
    const bot = await hub.token(people.bot);
    const { id } = await hub.addStream(bot, "after_restart");
    await until(() => seen.of("created").some((m) => m.stream.id === id));
    watching.disconnect();
  } finally {
    await hub.stop();
  }
});
