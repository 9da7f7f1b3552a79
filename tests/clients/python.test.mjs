// A PyPI client, in a virtual environment of its own.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Hub, people, until } from "./hub.mjs";

const here = import.meta.dirname;
const python = join(here, "node_modules/.venv/bin/python");

test("aioactioncable from PyPI subscribes and hears a creation", async () => {
  if (!existsSync(python)) {
    for (const [command, ...args] of [
      ["python3", "-m", "venv", join(here, "node_modules/.venv")],
      [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", join(here, "requirements.txt")],
    ]) {
      const made = spawnSync(command, args, { encoding: "utf8" });
      assert.equal(made.status, 0, made.stderr);
    }
  }
  const hub = await Hub.start();
  const lines = [];
  const client = spawn(python, [join(here, "python_client.py"), `${hub.cable}?token=${await hub.token(people.viewer)}`], { stdio: ["ignore", "pipe", "pipe"] });
  createInterface({ input: client.stdout }).on("line", (line) => lines.push(line));
  let errors = "";
  client.stderr.on("data", (chunk) => (errors += chunk));
  try {
    await until(() => lines.includes("subscribed"), () => errors);
    const { id } = await hub.addStream(await hub.token(people.bot), "for_python");
    await until(() => lines.slice(1).some((line) => JSON.parse(line).stream?.id === id), () => errors + lines);
  } finally {
    client.kill();
    await hub.stop();
  }
});
