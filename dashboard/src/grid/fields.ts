// The columns of the grid: the fields that may be edited over the cable, in the order of the sheet.
import { PLATFORMS, type Row, STATUSES } from "../streams/row";

export const FIELDS = ["title", "source", "link", "status", "platform", "city", "state", "orientation", "kind", "started_at", "ended_at", "notes"] as const;
export type Field = (typeof FIELDS)[number];

export interface Cell {
  id: number;
  field: Field;
}

export const CHOICES: Partial<Record<Field, readonly string[]>> = {
  status: STATUSES,
  platform: ["", ...PLATFORMS],
  orientation: ["", "vertical", "horizontal"],
  kind: ["video", "web", "overlay", "background"],
};

export const LABELS: Record<Field, string> = {
  title: "Title",
  source: "Source",
  link: "Link",
  status: "Status",
  platform: "Platform",
  city: "City",
  state: "State",
  orientation: "Orientation",
  kind: "Kind",
  started_at: "Started",
  ended_at: "Ended",
  notes: "Notes",
};

export function cellId({ id, field }: Cell): string {
  return `stream_${id}_${field}`;
}

export function readCellId(text: string): Cell | null {
  const found = /^stream_(\d+)_(.+)$/.exec(text);
  const field = FIELDS.find((name) => name === found?.[2]);
  return found && field ? { id: Number(found[1]), field } : null;
}

export function isMoment(field: Field): boolean {
  return field === "started_at" || field === "ended_at";
}

/** The text of a cell as it is edited. Moments are spelled in UTC, so that two editors see the same. */
export function textOf(row: Row, field: Field): string {
  const value = row[field] ?? "";
  return isMoment(field) && value ? `${value.slice(0, 10)} ${value.slice(11, 16)}Z` : value;
}

/** What is sent for a text: nothing for an empty one, a moment where it can be read as one. */
export function valueOf(field: Field, text: string): string | null {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  if (!isMoment(field)) return text;
  const moment = new Date(trimmed);
  // What this browser cannot read, the hub refuses with its own words.
  return Number.isNaN(moment.getTime()) ? text : moment.toISOString();
}
