// Which cell is selected, and how one goes from it to another. By the stream's id, so that it stays when rows move.
import { signal } from "@preact/signals";
import type { Row } from "../streams/row";
import { type Cell, FIELDS } from "./fields";

export const selected = signal<Cell | null>(null);

/** The selected cell; the first one where none is, or none that is shown. */
export function here(rows: readonly Row[]): Cell | null {
  const id = selected.value?.id;
  if (!rows.some((row) => row.id === id)) go(rows, 0, 0);
  return rows.length > 0 ? selected.value : null;
}

export function move(rows: readonly Row[], down: number, right: number): void {
  const at = selected.value;
  if (!at) return go(rows, 0, 0);
  const row = rows.findIndex(({ id }) => id === at.id);
  go(rows, Math.max(row, 0) + down, FIELDS.indexOf(at.field) + right);
}

export function go(rows: readonly Row[], row: number, column: number): void {
  const to = rows[Math.min(Math.max(row, 0), rows.length - 1)];
  const field = FIELDS[Math.min(Math.max(column, 0), FIELDS.length - 1)];
  if (to && field) selected.value = { id: to.id, field };
}

/** To the next cell, over the end of a row; false at the very end. */
export function step(rows: readonly Row[], by: 1 | -1): boolean {
  const at = selected.value;
  if (!at) return false;
  const place = rows.findIndex(({ id }) => id === at.id) * FIELDS.length + FIELDS.indexOf(at.field) + by;
  if (place < 0 || place >= rows.length * FIELDS.length) return false;
  go(rows, Math.floor(place / FIELDS.length), place % FIELDS.length);
  return true;
}
