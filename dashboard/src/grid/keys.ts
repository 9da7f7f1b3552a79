// What each key does in the sheet. Typing starts an edit; everything a spreadsheet's user would try first works.
import type { Row } from "../streams/row";
import { rows as streams } from "../streams/store";
import { begin, cancel, editing, finish, type } from "./editing";
import { CHOICES, FIELDS, textOf } from "./fields";
import { go, here, move, selected, step } from "./selection";
import { undo } from "./undo";
import { write } from "./writes";
import { may } from "../session";

const PAGE = 12;
let released = false;

const MOVES: Record<string, (rows: readonly Row[], far: boolean) => void> = {
  ArrowUp: (rows, far) => move(rows, far ? -rows.length : -1, 0),
  ArrowDown: (rows, far) => move(rows, far ? rows.length : 1, 0),
  ArrowLeft: (rows, far) => move(rows, 0, far ? -FIELDS.length : -1),
  ArrowRight: (rows, far) => move(rows, 0, far ? FIELDS.length : 1),
  PageUp: (rows) => move(rows, -PAGE, 0),
  PageDown: (rows) => move(rows, PAGE, 0),
  Home: (rows, far) => (far ? go(rows, 0, 0) : move(rows, 0, -FIELDS.length)),
  End: (rows, far) => (far ? go(rows, rows.length - 1, FIELDS.length - 1) : move(rows, 0, FIELDS.length)),
};

/** True: the key was for the sheet. */
export function pressed(event: KeyboardEvent, rows: readonly Row[], history: () => void): boolean {
  if (editing.value) return pressedInCell(event, rows);
  const far = event.ctrlKey || event.metaKey;
  const goes = MOVES[event.key];
  if (goes && !event.altKey) {
    released = false;
    goes(rows, far);
    return true;
  }
  if (far && event.key.toLowerCase() === "z" && !event.shiftKey) {
    selected.value = undo() ?? selected.value;
    return true;
  }
  const at = here(rows);
  if (!at) return false;
  if (event.altKey && event.key.toLowerCase() === "h") {
    history();
    return true;
  }
  switch (event.key) {
    case "Tab":
      // After Escape, Tab leaves the sheet: nobody is kept in it.
      return !released && step(rows, event.shiftKey ? -1 : 1);
    case "Escape":
      released = true;
      return true;
    case "Enter":
    case "F2":
      begin(at);
      return true;
    case "Delete":
    case "Backspace": {
      const row = streams.get(at.id);
      if (row && may("streams:lock") && textOf(row, at.field) !== "") write(at, textOf(row, at.field), "");
      return true;
    }
  }
  if (event.key.length === 1 && !far && !event.altKey) {
    const choices = CHOICES[at.field];
    const first = choices?.find((choice) => choice.toLowerCase().startsWith(event.key.toLowerCase()));
    begin(at, choices ? first : event.key);
    return true;
  }
  return false;
}

function pressedInCell(event: KeyboardEvent, rows: readonly Row[]): boolean {
  switch (event.key) {
    case "Enter":
      if (event.isComposing || event.altKey) return false;
      finish();
      move(rows, event.shiftKey ? -1 : 1, 0);
      return true;
    case "Tab":
      finish();
      step(rows, event.shiftKey ? -1 : 1);
      return true;
    case "Escape":
      cancel();
      return true;
    default:
      return caught(event);
  }
}

/** A fast typist is ahead of the field that is about to appear: what reaches the sheet instead of it is not lost. */
function caught(event: KeyboardEvent): boolean {
  const now = editing.value;
  if (!now || event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey || CHOICES[now.cell.field]) return false;
  if (event.key.length === 1) type(now.draft + event.key);
  else if (event.key === "Backspace") type(now.draft.slice(0, -1));
  else return false;
  return true;
}
