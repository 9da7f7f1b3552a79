// One's own last changes, newest last. Undoing writes the old text again, if nobody wrote the cell since.
import { signal } from "@preact/signals";
import { say } from "../parts/toasts";
import { rows } from "../streams/store";
import { type Cell, LABELS, cellId, textOf, valueOf } from "./fields";
import { write } from "./writes";

export interface Step {
  cell: Cell;
  from: string;
  to: string;
  edit: object;
}

const STEPS_MAX = 100;
export const steps = signal<readonly Step[]>([]);

export function remember(step: Step): void {
  const last = steps.value.at(-1);
  const same = last?.edit === step.edit && cellId(last.cell) === cellId(step.cell);
  const rest = same ? steps.value.slice(0, -1) : steps.value;
  const whole = same && last ? { ...step, from: last.from } : step;
  steps.value = whole.from === whole.to ? rest : [...rest, whole].slice(-STEPS_MAX);
}

/** Takes the last change back; the cell it was in, to go there. */
export function undo(): Cell | null {
  const step = steps.value.at(-1);
  if (!step) {
    say("There is nothing of yours to undo.");
    return null;
  }
  steps.value = steps.value.slice(0, -1);
  const { cell } = step;
  const row = rows.get(cell.id);
  if (!row) {
    say("That stream is gone; nothing to undo.", "fault");
    return null;
  }
  const there = textOf(row, cell.field);
  if (valueOf(cell.field, there) !== valueOf(cell.field, step.to) && there.toLowerCase() !== step.to.toLowerCase()) {
    say(`${LABELS[cell.field]} says “${there}” now: somebody changed it after you, so it stays.`, "fault");
    return cell;
  }
  write(cell, there, step.from, {}, true);
  say(`${LABELS[cell.field]} is “${step.from}” again.`);
  return cell;
}
