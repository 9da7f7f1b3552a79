// What was written here and is not yet confirmed. A write outlives a lost connection: it is sent again when the hub is back, unless
// somebody else wrote the cell meanwhile. Nothing is dropped without a word.
import { signal } from "@preact/signals";
import { say } from "../parts/toasts";
import { me } from "../session";
import { rows } from "../streams/store";
import { type Told, hear, locks, nameOf, onReturn, perform } from "./channel";
import { type Cell, LABELS, cellId, textOf, valueOf } from "./fields";
import { remember } from "./undo";

interface Write {
  cell: Cell;
  from: string;
  text: string;
  /** Writes of one edit are one step of undo. */
  edit: object;
  undoing: boolean;
  timer: number;
  sent: boolean;
}

export const pending = signal<ReadonlyMap<string, Write>>(new Map());

const ANSWER_WITHIN_MS = 10_000;

function set(id: string, write: Write | null): void {
  const old = pending.value.get(id);
  if (old) clearTimeout(old.timer);
  const next = new Map(pending.value);
  if (write) next.set(id, write);
  else next.delete(id);
  pending.value = next;
}

/** Writes a text into a cell; `from` is what was there as this editor began. */
export function write(cell: Cell, from: string, text: string, edit: object = {}, undoing = false): void {
  send({ cell, from, text, edit, undoing, timer: 0, sent: false });
}

function send(write: Write): void {
  const id = cellId(write.cell);
  const held = locks.value.get(id)?.here === true;
  // One connection's actions are done in order: a lock that is refused makes the update be refused too.
  if (!held) perform("lock_cell", { cell_id: id });
  write.sent = perform("update_cell", { cell_id: id, stream_id: write.cell.id, field: write.cell.field, value: valueOf(write.cell.field, write.text) });
  set(id, write);
  if (write.sent) write.timer = window.setTimeout(() => fail(id, "The hub did not answer."), ANSWER_WITHIN_MS);
}

function fail(id: string, reason: string): void {
  const write = pending.value.get(id);
  if (!write) return;
  set(id, null);
  if (locks.value.get(id)?.here) perform("unlock_cell", { cell_id: id });
  const text = write.text.length > 40 ? `${write.text.slice(0, 40)}…` : write.text;
  say(`${LABELS[write.cell.field]} was not saved: ${reason}`, "fault", { label: `Copy “${text}”`, act: () => void navigator.clipboard?.writeText(write.text) });
}

function listen(told: Told): void {
  if (told.action === "cell_updated" && told.user_id === me.value?.id) {
    const write = pending.value.get(told.cell_id);
    if (!write) return;
    set(told.cell_id, null);
    if (!write.undoing) remember({ cell: write.cell, from: write.from, to: write.text, edit: write.edit });
  }
  if (told.action === "error" && told.cell_id !== null) {
    const write = pending.value.get(told.cell_id);
    if (!write) return;
    if (told.code === "TOO_MANY_ACTIONS") {
      clearTimeout(write.timer);
      write.timer = window.setTimeout(() => send(write), 1200);
      return;
    }
    const holder = locks.value.get(told.cell_id);
    fail(told.cell_id, holder && !holder.here ? `${nameOf(holder)} editing this cell.` : `${told.error}.`);
  }
}

function again(): void {
  for (const [id, write] of [...pending.value]) {
    const row = rows.get(write.cell.id);
    const there = row ? textOf(row, write.cell.field) : null;
    if (there === null) fail(id, "the stream is gone.");
    else if (there === write.text) set(id, null);
    else if (there !== write.from) fail(id, `it says “${there}” now; somebody wrote it while the connection was away.`);
    else send(write);
  }
}

/** Listens for answers until the answer is called. */
export function openWrites(): () => void {
  const leave = [hear(listen), onReturn(again)];
  return () => {
    leave.forEach((end) => end());
    for (const id of pending.value.keys()) set(id, null);
  };
}
