// The first page: signs in, reads the list once, then follows StreamsChannel. An ordinary client of /api and /cable; it never writes.
"use strict";

const SHOWN_MAX = 300;
const IDENTIFIER = JSON.stringify({ channel: "StreamsChannel" });
const byId = (id) => document.getElementById(id);
const streams = new Map();
const rows = new Map();
let token = sessionStorage.getItem("token");
let socket = null;
let heard = 0;
let attempts = 0;
let timer = 0;
let status = "";
let total = 0;

// --- The cable ---------------------------------------------------------------------------------------------------------------

function state(name, text) {
  byId("cable").dataset.state = name;
  byId("cable-text").textContent = text;
}

function connect() {
  clearTimeout(timer);
  state("wait", attempts ? "reconnecting…" : "connecting…");
  const url = location.origin.replace(/^http/, "ws") + "/cable?token=" + encodeURIComponent(token);
  socket = new WebSocket(url, ["actioncable-v1-json", "actioncable-unsupported"]);
  const own = socket;
  heard = Date.now();
  own.onmessage = (event) => { if (own === socket) hear(JSON.parse(event.data)); };
  own.onclose = () => { if (own === socket && token) again(); };
}

function again() {
  state("wait", "connection lost, trying again…");
  // Longer each time, and never all pages at once.
  const wait = Math.min(1000 * 2 ** attempts++, 15000) * (0.5 + Math.random() / 2);
  clearTimeout(timer);
  timer = setTimeout(connect, wait);
}

function hear(frame) {
  heard = Date.now();
  switch (frame.type) {
    case "welcome":
      socket.send(JSON.stringify({ command: "subscribe", identifier: IDENTIFIER }));
      return;
    case "confirm_subscription":
      attempts = 0;
      state("on", "live");
      // Only now: whatever happens from here on is heard, and what happened before is in the list.
      load();
      return;
    case "reject_subscription":
      state("off", "not allowed to watch");
      return;
    case "disconnect":
      if (frame.reconnect === false) leave("You have been signed out.");
      return;
  }
  if (frame.message && frame.message.stream) take(frame.message);
}

// The hub pings every three seconds: silence means that the connection is dead, whatever the browser believes.
setInterval(() => {
  if (token && socket && socket.readyState === WebSocket.OPEN && Date.now() - heard > 9000) {
    const dead = socket;
    socket = null;
    dead.close();
    again();
  }
}, 1000);

function take(message) {
  const stream = message.stream;
  if (message.deleted || message.action === "deleted" || message.action === "archived" || stream.is_archived) {
    if (streams.delete(stream.id)) total--;
  } else {
    const known = streams.get(stream.id);
    if (!known) total++;
    streams.set(stream.id, { ...known, ...stream });
    flash.add(stream.id);
  }
  draw();
}

// --- The list ----------------------------------------------------------------------------------------------------------------

async function load() {
  const answer = await ask("/api/v1/streams?per_page=100&sort=updated_at");
  if (!answer) return;
  streams.clear();
  for (const stream of answer.streams) streams.set(stream.id, stream);
  total = answer.meta.total_count;
  draw();
}

const flash = new Set();
let drawing = false;

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; paint(); });
}

function paint() {
  const wanted = byId("search").value.trim().toLowerCase();
  const matches = (stream) => (!status || stream.status === status)
    && (!wanted || [stream.link, stream.title, stream.source, stream.city, stream.state, stream.posted_by, stream.platform]
      .some((text) => text && text.toLowerCase().includes(wanted)));
  const shown = [...streams.values()].filter(matches)
    .sort((a, b) => (b.is_pinned - a.is_pinned) || b.updated_at.localeCompare(a.updated_at) || b.id - a.id)
    .slice(0, SHOWN_MAX);
  const body = byId("rows");
  const kept = new Set(shown.map((stream) => stream.id));
  for (const [id, row] of rows) if (!kept.has(id)) { row.remove(); rows.delete(id); }
  shown.forEach((stream, place) => {
    let row = rows.get(stream.id);
    if (!row) { row = document.createElement("tr"); rows.set(stream.id, row); }
    if (row.stream !== stream) fill(row, stream);
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] || null);
    if (flash.has(stream.id)) { row.classList.remove("flash"); void row.offsetWidth; row.classList.add("flash"); }
  });
  flash.clear();
  // Whoever leaves the page open for a day must not fill the browser.
  if (streams.size > 2 * SHOWN_MAX) {
    [...streams.values()].sort((a, b) => a.updated_at.localeCompare(b.updated_at)).slice(0, streams.size - SHOWN_MAX).forEach((old) => streams.delete(old.id));
  }
  byId("count-live").textContent = [...streams.values()].filter((stream) => stream.status === "live").length;
  byId("count-all").textContent = shown.length;
  byId("count-more").textContent = total > shown.length ? ` of ${total}` : "";
  byId("empty").hidden = streams.size > 0;
}

function fill(row, stream) {
  row.stream = stream;
  const cell = (name, ...content) => { const td = document.createElement("td"); td.className = name; td.append(...content); return td; };
  const span = (name, text) => { const made = document.createElement("span"); made.className = name; made.textContent = text; return made; };
  const badge = span("badge", stream.status || "unknown");
  badge.dataset.status = stream.status || "unknown";
  const link = document.createElement("a");
  link.className = "link";
  link.textContent = stream.link || "";
  // Only web addresses become links, whatever a bot may have posted.
  if (/^https?:\/\//i.test(stream.link || "")) { link.href = stream.link; link.rel = "noopener noreferrer"; link.target = "_blank"; }
  const title = span("title", stream.title || stream.source || "");
  const name = stream.is_pinned ? [span("pin", "📌"), title] : [title];
  const when = document.createElement("time");
  when.dateTime = stream.updated_at || "";
  when.textContent = stream.updated_at ? ago(stream.updated_at) : "";
  row.replaceChildren(
    cell("state", badge),
    cell("stream", ...name, link),
    cell("platform", stream.platform || ""),
    cell("place", [stream.city, stream.state].filter(Boolean).join(", ")),
    cell("by", stream.posted_by || ""),
    cell("when", when),
  );
}

function ago(text) {
  const seconds = Math.max(0, (Date.now() - new Date(text)) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(text).toLocaleDateString();
}

setInterval(() => document.querySelectorAll("time").forEach((when) => { if (when.dateTime) when.textContent = ago(when.dateTime); }), 30000);

// --- Signing in --------------------------------------------------------------------------------------------------------------

async function ask(path) {
  try {
    const response = await fetch(path, { headers: { authorization: `Bearer ${token}` } });
    if (response.status === 401) { leave("Please sign in again."); return null; }
    if (response.ok) return await response.json();
    state("wait", `the list could not be read (${response.status}), trying again…`);
  } catch {
    state("wait", "the list could not be read, trying again…");
  }
  timer = setTimeout(load, 3000);
  return null;
}

function enter() {
  byId("login").hidden = true;
  byId("board").hidden = false;
  byId("who").hidden = false;
  byId("who-name").textContent = sessionStorage.getItem("email") || "";
  connect();
}

function leave(reason) {
  token = null;
  sessionStorage.clear();
  clearTimeout(timer);
  if (socket) { const old = socket; socket = null; old.close(); }
  streams.clear();
  draw();
  state("off", "not connected");
  byId("board").hidden = true;
  byId("who").hidden = true;
  byId("login").hidden = false;
  tell(reason);
}

function tell(fault) {
  byId("fault").hidden = !fault;
  byId("fault").textContent = fault || "";
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  tell("");
  const body = JSON.stringify({ email: byId("email").value, password: byId("password").value });
  try {
    const response = await fetch("/api/v1/login", { method: "POST", headers: { "content-type": "application/json" }, body });
    const answer = await response.json();
    if (!response.ok) { tell(answer.error || "That did not work."); return; }
    token = answer.token;
    sessionStorage.setItem("token", token);
    sessionStorage.setItem("email", answer.user.email);
    byId("password").value = "";
    enter();
  } catch {
    tell("The hub cannot be reached.");
  }
});

byId("leave").addEventListener("click", () => {
  // Whether the hub hears of it or not, this page forgets the token.
  fetch("/api/v1/logout", { method: "DELETE", headers: { authorization: `Bearer ${token}` } }).catch(() => {});
  leave("");
});

byId("search").addEventListener("input", draw);
document.querySelectorAll(".chip[data-status]").forEach((chip) => chip.addEventListener("click", () => {
  status = chip.dataset.status;
  document.querySelectorAll(".chip[data-status]").forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
  draw();
}));

fetch("/page/about.json").then((response) => response.json()).then((about) => {
  byId("version").textContent = `version ${about.version}`;
  for (const account of about.demo_accounts) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.textContent = account.email;
    chip.addEventListener("click", () => {
      byId("email").value = account.email;
      byId("password").value = account.password;
      byId("login").requestSubmit();
    });
    byId("demo-accounts").append(chip);
    byId("demo").hidden = false;
  }
}).catch(() => {});

if (token) enter();
