// Every active stream, as this tab knows it: read once over HTTP, then kept true by StreamsChannel. One store for the table, the wall and
// the grid. It never writes.
import { signal } from "@preact/signals";
import { caughtUp, connection, follow, topic } from "../cable";
import { sentenceOf } from "../api";
import { loadActive } from "./load";
import { type Missed, Tally } from "./missed";
import type { Row } from "./row";

interface Frame {
  action: "created" | "updated" | "archived" | "deleted";
  event: string;
  deleted?: boolean;
  stream: Partial<Row> & { id: number };
}

/** Rows by id. `changes` says that something in here is new; the map itself stays the same. */
export const rows = new Map<number, Row>();
export const changes = signal(0);
/** How far the first reading is: null when it is through. */
export const loading = signal<{ read: number; of: number } | null>({ read: 0, of: 0 });
export const fault = signal("");
/** What happened while the connection was away; null: nothing to tell. */
export const missed = signal<Missed | null>(null);
/** When a row last changed, for the mark that fades. */
export const touched = new Map<number, number>();

let drawing = 0;
let reading = new AbortController();
/** What was taken away while the list is read: its line, written before, must not bring it back. */
const gone = new Set<number>();
let tally: Tally | null = null;

function draw(): void {
  // However many frames come: a picture at most every 80 ms.
  if (drawing === 0) {
    drawing = window.setTimeout(() => {
      drawing = 0;
      changes.value++;
    }, 80);
  }
}

/** Takes a row as it is now, unless a newer one is known already. */
export function take(row: Row, mark = true): void {
  const known = rows.get(row.id);
  if (known && known.lock_version > row.lock_version) return;
  if (row.is_archived) rows.delete(row.id);
  else rows.set(row.id, row);
  if (mark && known?.lock_version !== row.lock_version) touched.set(row.id, Date.now());
  draw();
}

export function forget(id: number): void {
  rows.delete(id);
  draw();
}

function hear(frame: Frame): void {
  const { stream } = frame;
  tally?.count(stream.id, frame.deleted ? "removed" : frame.action === "created" ? "added" : frame.action === "archived" ? "removed" : "changed");
  if (loading.value && (frame.deleted || frame.action === "archived")) gone.add(stream.id);
  if (frame.deleted || frame.action === "deleted") forget(stream.id);
  else take(stream as Row);
}

/** Reads everything, as it is at one moment after the cable began to tell. */
async function load(): Promise<void> {
  reading.abort();
  const own = (reading = new AbortController());
  const before = new Map(rows);
  const seen = new Set<number>();
  gone.clear();
  loading.value = { read: 0, of: 0 };
  fault.value = "";
  const bring = (row: Row) => {
    seen.add(row.id);
    if (gone.has(row.id)) return;
    const known = before.get(row.id);
    if (before.size > 0 && known?.lock_version !== row.lock_version) tally?.count(row.id, known ? "changed" : "added");
    take(row, before.size > 0);
  };
  try {
    await loadActive((portion, total) => {
      portion.forEach(bring);
      loading.value = { read: seen.size, of: total };
    }, own.signal);
    if (own.signal.aborted) return;
    for (const id of before.keys()) {
      if (!seen.has(id) && rows.get(id) === before.get(id)) {
        tally?.count(id, "removed");
        forget(id);
      }
    }
    loading.value = null;
    arrive();
  } catch (error) {
    if (own.signal.aborted) return;
    loading.value = null;
    fault.value = sentenceOf(error);
  }
  draw();
}

/** Everything that was missed is here. */
function arrive(): void {
  if (tally) missed.value = tally.told();
  tally = null;
  caughtUp();
}

/** Follows the streams until the answer is called. */
export function openStore(): () => void {
  const channel = topic<Frame>("StreamsChannel");
  let since = 0;
  let patience = 0;
  channel.on("message", hear);
  channel.on("disconnect", () => (since ||= Date.now()));
  channel.on("connect", ({ reconnect }) => {
    if (!reconnect) return void load();
    const now = connection.value;
    tally ??= new Tally(now.state === "catching_up" ? now.since : since || Date.now());
    since = 0;
    // A hub that says nothing of the history at all is not waited for.
    clearTimeout(patience);
    patience = window.setTimeout(() => void load(), 4000);
  });
  channel.on("info", ({ type }) => {
    if (!tally) return;
    clearTimeout(patience);
    if (type === "history_received" && fault.value === "" && loading.value === null) arrive();
    else void load();
  });
  const leave = follow(channel);
  return () => {
    clearTimeout(patience);
    leave();
    reading.abort();
    rows.clear();
    touched.clear();
    missed.value = null;
    tally = null;
    loading.value = { read: 0, of: 0 };
    draw();
  };
}

export function reload(): void {
  void load();
}
