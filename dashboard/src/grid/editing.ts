// The one cell that is being edited here: from the question for its lock, over autosave and renewal, to the last word. What is typed is
// never thrown away silently.
import { signal } from "@preact/signals";
import { connection } from "../cable";
import { may, me } from "../session";
import { say } from "../parts/toasts";
import { rows } from "../streams/store";
import { type Told, hear, lockOf, onReturn, perform } from "./channel";
import { type Cell, cellId, textOf } from "./fields";
import { pending, write } from "./writes";

export interface Editing {
  cell: Cell;
  /** What was there as the edit began. */
  base: string;
  /** What has been sent last. */
  saved: string;
  draft: string;
  /** `asked`: for the lock. `away`: no connection. `lost`: somebody else may have it now. */
  phase: "asked" | "held" | "away" | "lost";
  word: string;
  edit: object;
}

export const editing = signal<Editing | null>(null);

/** The grid's editors expect a second. */
const AUTOSAVE_MS = 1000;
/** A lease lasts thirty seconds; whoever types asks again long before. */
const RENEW_MS = 10_000;

let autosave = 0;
let askedAt = 0;

function change(wanted: Partial<Editing>): void {
  if (editing.value) editing.value = { ...editing.value, ...wanted };
}

function askForLock(cell: Cell): boolean {
  askedAt = Date.now();
  return perform("lock_cell", { cell_id: cellId(cell) });
}

/** Begins to edit; with a text where typing began it. Says why where it may not be. */
export function begin(cell: Cell, typed?: string): boolean {
  if (editing.value) finish();
  const row = rows.get(cell.id);
  if (!row) return false;
  if (!may("streams:lock")) {
    say("Your role may look at the grid, not edit it.");
    return false;
  }
  const lock = lockOf(cell);
  if (lock && lock.user_id !== me.value?.id) {
    say(`${lock.user_name} is editing this cell; try again in a moment.`, "fault");
    return false;
  }
  const base = pending.value.get(cellId(cell))?.text ?? textOf(row, cell.field);
  const asked = askForLock(cell);
  const word = asked ? "" : "No connection: what you write is kept here and saved when the hub is back.";
  editing.value = { cell, base, saved: base, draft: typed ?? base, phase: asked ? "asked" : "away", word, edit: {} };
  if (typed !== undefined) schedule();
  return true;
}

function schedule(): void {
  clearTimeout(autosave);
  autosave = window.setTimeout(save, AUTOSAVE_MS);
}

export function type(draft: string): void {
  const now = editing.value;
  if (!now) return;
  change({ draft });
  if (now.phase === "lost" || Date.now() - askedAt > RENEW_MS) {
    if (askForLock(now.cell) && now.phase === "lost") change({ phase: "asked", word: "" });
  }
  schedule();
}

/** Saves what is there and keeps editing. */
function save(): void {
  const now = editing.value;
  clearTimeout(autosave);
  if (!now || now.draft === now.saved) return;
  if (now.phase === "asked") return schedule();
  if (now.phase !== "held") return;
  write(now.cell, now.saved, now.draft, now.edit);
  change({ saved: now.draft });
}

/** Ends the edit and saves; the next cell need not wait for the answer. */
export function finish(): void {
  const now = editing.value;
  if (!now) return;
  clearTimeout(autosave);
  editing.value = null;
  if (now.draft !== now.saved) write(now.cell, now.saved, now.draft, now.edit);
  else if (!pending.value.has(cellId(now.cell)) && now.phase !== "lost") perform("unlock_cell", { cell_id: cellId(now.cell) });
}

/** Ends the edit as if it had not been: what autosave wrote is taken back. */
export function cancel(): void {
  const now = editing.value;
  if (!now) return;
  clearTimeout(autosave);
  editing.value = null;
  if (now.saved !== now.base) write(now.cell, now.saved, now.base, now.edit);
  else if (now.phase !== "lost") perform("unlock_cell", { cell_id: cellId(now.cell) });
}

function listen(told: Told): void {
  const now = editing.value;
  if (!now || !("cell_id" in told) || told.cell_id !== cellId(now.cell)) return;
  const mine = me.value?.id;
  switch (told.action) {
    case "cell_locked":
      if (lockOf(now.cell)?.here) return change({ phase: "held", word: "" });
      if (told.already && told.user_id === mine) return;
      if (told.user_id === mine) return refuse(now, "You are editing this cell in another tab.");
      return refuse(now, `${told.user_name} is editing this cell; try again in a moment.`);
    case "cell_unlocked":
      // Saving ends the lease; whoever goes on writing takes a new one at once.
      if (told.reason === "updated") return void askForLock(now.cell);
      return change({ phase: "lost", word: "Your lock on this cell has ended. Keep typing to take it again." });
    case "cell_updated":
      if (told.user_id !== mine && now.draft === now.saved && now.phase !== "held") refuse(now, "Somebody else has just written this cell.");
      return;
    case "error":
      if (told.code === "TOO_MANY_ACTIONS") return;
      // A save that failed is told by the one who sent it; here only the question for the lock is answered.
      if (now.phase === "asked" && !pending.value.has(told.cell_id)) refuse(now, `${told.error}.`);
      return;
  }
}

/** The lock is somebody else's: with nothing typed the edit ends; with something typed it stays on the screen, unsaved. */
function refuse(now: Editing, word: string): void {
  if (now.draft !== now.saved) return change({ phase: "lost", word: `${word} Your text is kept here, unsaved.` });
  clearTimeout(autosave);
  editing.value = null;
  say(word, "fault");
}

function returned(): void {
  const now = editing.value;
  if (!now) return;
  const asked = askForLock(now.cell);
  change(asked ? { phase: "asked", word: "" } : { phase: "away" });
  if (asked && now.draft !== now.saved) schedule();
}

/** Watches the edit until the answer is called. */
export function openEditing(): () => void {
  const leave = [
    hear(listen),
    onReturn(returned),
    connection.subscribe(({ state }) => {
      if (state === "stale") change({ phase: "away", word: "The connection is gone: what you write is kept here and saved when the hub is back." });
    }),
  ];
  return () => {
    finish();
    leave.forEach((end) => end());
  };
}
