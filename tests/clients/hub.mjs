// One hub under test: the real binary as a child process on a free port, with a data folder of its own.
// It is started, killed (-9) and started again on the same folder and port; it never outlives the test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "../..");
export const binary = process.env.TRUNKLINE_BIN ?? [join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug/trunkline")].find(existsSync);

// The hub takes every TRUNKLINE_* for a setting, and this one is ours.
const { TRUNKLINE_BIN: _, ...inherited } = process.env;

export const people = {
  admin: { email: "admin@example.test", password: "Admin-pass-1", role: "admin" },
  ana: { email: "ana@example.test", password: "Editor-pass-1", role: "editor" },
  ben: { email: "ben@example.test", password: "Editor-pass-2", role: "editor" },
  viewer: { email: "viewer@example.test", password: "Viewer-pass-1", role: "default" },
  bot: { email: "bot@example.test", password: "Service-pass-1", role: "editor", service: true },
};

/** Accounts as a deployment lists them. */
export const toml = (accounts) =>
  accounts
    .map((p) => `[[bootstrap.user]]\nemail = "${p.email}"\npassword = "${p.password}"\nrole = "${p.role}"\nservice = ${p.service ?? false}\n`)
    .join("\n");

const roomy = `
[auth]
login_per_minute = 1000
password_memory_kib = 1024

[limits]
exempt_addresses = ["127.0.0.1"]
`;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

export class Hub {
  /** Starts a hub; `config` is TOML added to the file that every test shares. */
  static async start({ config = "", env = {} } = {}) {
    if (!binary) throw new Error("build the hub first (cargo build), or set TRUNKLINE_BIN");
    const hub = new Hub();
    hub.folder = mkdtempSync(join(tmpdir(), "trunkline-clients-"));
    hub.port = await freePort();
    hub.env = env;
    hub.log = [];
    writeFileSync(join(hub.folder, "trunkline.toml"), `${roomy}\n${config}\n${toml(Object.values(people))}`);
    await hub.up();
    return hub;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }
  get cable() {
    return `ws://127.0.0.1:${this.port}/cable`;
  }

  /** Starts the process (again) and waits until it is ready. */
  async up() {
    const args = ["serve", "--config", join(this.folder, "trunkline.toml"), "--listen", `127.0.0.1:${this.port}`];
    args.push("--journal", `sled:${join(this.folder, "data")}`);
    this.process = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...inherited, ...this.env }, cwd: this.folder });
    for (const stream of [this.process.stdout, this.process.stderr]) createInterface({ input: stream }).on("line", (line) => this.log.push(line));
    this.exited = once(this.process, "exit");
    for (let attempt = 0; attempt < 300; attempt++) {
      if (this.process.exitCode !== null) break;
      const ready = await fetch(`${this.url}/health/ready`).catch(() => null);
      if (ready?.ok) return;
      await sleep(100);
    }
    throw new Error(`the hub did not become ready:\n${this.log.slice(-30).join("\n")}`);
  }
  /** Kills the process at once, as a power failure would. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.exited;
  }
  /** Asks the process to stop, and waits until it has; it may be started again. */
  async halt() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const asked = this.process;
      asked.kill("SIGTERM");
      const patience = setTimeout(() => asked.kill("SIGKILL"), 20_000);
      await this.exited;
      clearTimeout(patience);
    }
  }
  /** The same, for good. */
  async stop() {
    await this.halt();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async token(person) {
    const reply = await fetch(`${this.url}/api/v1/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user: { email: person.email, password: person.password } }),
    });
    if (!reply.ok) throw new Error(`login of ${person.email}: ${reply.status} ${await reply.text()}`);
    return (await reply.json()).token;
  }
  /** A REST call as `token`: `{ status, headers, body }`. */
  async call(token, method, path, body) {
    const headers = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    const reply = await fetch(`${this.url}${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await reply.text();
    return { status: reply.status, headers: reply.headers, body: text ? JSON.parse(text) : null };
  }
  async addStream(token, name, fields = {}) {
    const reply = await this.call(token, "POST", "/api/v1/streams", { link: `https://www.twitch.tv/${name}`, source: "Discord", ...fields });
    if (reply.status !== 201) throw new Error(`add ${name}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until `check` gives something truthy, and gives it; fails with what `describe` says after `ms`. */
export async function until(check, describe = () => "nothing came", ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await check();
    if (got) return got;
    if (Date.now() > end) throw new Error(`waited ${ms} ms: ${describe()}`);
    await sleep(10);
  }
}
