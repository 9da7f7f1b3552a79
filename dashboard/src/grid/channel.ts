// CollaborativeStreamsChannel as this tab hears it: who is here, who holds which cell, and what was written. Editing listens here; it
// decides nothing itself.
import { signal } from "@preact/signals";
import { follow, topic } from "../cable";
import { me } from "../session";
import type { Row } from "../streams/row";
import { rows, take } from "../streams/store";
import { type Cell, cellId } from "./fields";

export interface Person {
  user_id: number;
  user_name: string;
  user_color: string;
  inactive?: boolean;
}

export interface Lock extends Person {
  until: number;
  /** Whether this very tab holds it. */
  here: boolean;
}

export type Told =
  | { action: "active_users_list"; users: Person[] }
  | { action: "user_joined" | "user_left"; user_id: number }
  | ({ action: "cell_locked"; cell_id: string; expires_in?: number; already?: boolean } & Person)
  | { action: "cell_unlocked"; cell_id: string; user_id: number; reason: "released" | "updated" | "expired" | "disconnected" }
  | { action: "cell_updated"; cell_id: string; field: string; value: unknown; user_id: number; stream?: Row }
  | { action: "stream_updated"; stream_id: number; last_checked_at?: string | null; last_live_at?: string | null }
  | { action: "streamer_updated"; stream_id: number }
  | { action: "error"; error: string; code: string; cell_id: string | null };

export const people = signal<Person[]>([]);
export const locks = signal<ReadonlyMap<string, Lock>>(new Map());
/** When a cell was last written by somebody else, and in whose colour it glows. */
export const written = new Map<string, { at: number; color: string }>();

/** A lock that was not renewed is taken off the screen this long after its end, should the word of it have been lost. */
const GRACE_MS = 2000;
const PING_EVERY_MS = 60_000;

type Listener = (told: Told) => void;
const listeners = new Set<Listener>();
const returns = new Set<() => void>();
let channel: ReturnType<typeof topic<Told>> | null = null;
/** When this tab asked for a cell and was not yet answered: a lock of one's own that nobody here asked for is another tab's. */
const asked = new Map<string, number[]>();
const ANSWERED_WITHIN_MS = 10_000;

export function hear(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Called when the connection is back and everything missed has been told. */
export function onReturn(listener: () => void): () => void {
  returns.add(listener);
  return () => returns.delete(listener);
}

export function connected(): boolean {
  return channel?.state === "connected";
}

/** Sends an action; false where there is no connection to send it on. */
export function perform(action: "presence_ping"): boolean;
export function perform(action: "lock_cell" | "unlock_cell" | "update_cell", payload: { cell_id: string; [more: string]: unknown }): boolean;
export function perform(action: string, payload: { cell_id?: string } = {}): boolean {
  if (!channel || !connected()) return false;
  if (action === "lock_cell" && payload.cell_id) asked.set(payload.cell_id, [...(asked.get(payload.cell_id) ?? []), Date.now()]);
  channel.perform(action, payload).catch(() => {});
  return true;
}

export function lockOf(cell: Cell): Lock | undefined {
  return locks.value.get(cellId(cell));
}

/** The holder as one says it of somebody, or of oneself in another tab. */
export function nameOf({ user_id, user_name }: Person): string {
  return user_id === me.value?.id ? "you, in another tab, are" : `${user_name} is`;
}

function setLock(id: string, lock: Lock | null): void {
  const next = new Map(locks.value);
  if (lock) next.set(id, lock);
  else next.delete(id);
  locks.value = next;
}

/** Whether something that this tab asked of the cell is answered by what was told of it now. */
function wasAsked(cell: string): boolean {
  const [first, ...rest] = (asked.get(cell) ?? []).filter((at) => at > Date.now() - ANSWERED_WITHIN_MS);
  if (rest.length > 0) asked.set(cell, rest);
  else asked.delete(cell);
  return first !== undefined;
}

function receive(told: Told): void {
  switch (told.action) {
    case "active_users_list":
      people.value = told.users;
      break;
    case "cell_locked":
      // Told because one has just joined: a lock from before, and no answer to anything.
      if (told.already && locks.value.get(told.cell_id)?.here) return;
      setLock(told.cell_id, { here: !told.already && told.user_id === me.value?.id && wasAsked(told.cell_id), user_id: told.user_id, user_name: told.user_name, user_color: told.user_color, until: Date.now() + (told.expires_in ?? 30) * 1000 + GRACE_MS });
      break;
    case "cell_unlocked":
      setLock(told.cell_id, null);
      break;
    case "cell_updated":
      if (told.user_id !== me.value?.id) {
        const color = people.value.find((person) => person.user_id === told.user_id)?.user_color ?? "var(--accent)";
        written.set(told.cell_id, { at: Date.now(), color });
      }
      if (told.stream) take(told.stream);
      break;
    case "stream_updated": {
      const row = rows.get(told.stream_id);
      if (row) take({ ...row, last_checked_at: told.last_checked_at ?? row.last_checked_at, last_live_at: told.last_live_at ?? row.last_live_at }, false);
      break;
    }
    case "user_joined":
    case "user_left":
    case "streamer_updated":
      break;
    case "error":
      if (told.code === "CELL_LOCKED" && told.cell_id) wasAsked(told.cell_id);
      break;
  }
  for (const listener of listeners) listener(told);
}

/** Joins the grid until the answer is called. */
export function join(): () => void {
  const own = topic<Told>("CollaborativeStreamsChannel");
  channel = own;
  own.on("message", receive);
  let returning = false;
  const back = () => {
    if (!returning) return;
    returning = false;
    for (const listener of returns) listener();
  };
  own.on("connect", ({ reconnect }) => {
    returning = reconnect === true;
    setTimeout(back, 1500);
  });
  own.on("info", ({ type }) => {
    // What is shown of locks may be of any age: who edits renews within seconds.
    if (type === "history_not_found") locks.value = new Map();
    back();
  });
  const leave = follow(own);
  const ping = setInterval(() => perform("presence_ping"), PING_EVERY_MS);
  const sweep = setInterval(() => {
    const now = Date.now();
    for (const [id, lock] of locks.value) if (lock.until < now) setLock(id, null);
  }, 1000);
  return () => {
    clearInterval(ping);
    clearInterval(sweep);
    leave();
    channel = null;
    people.value = [];
    locks.value = new Map();
    written.clear();
    asked.clear();
  };
}
