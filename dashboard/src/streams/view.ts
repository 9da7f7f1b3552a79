// Which rows are shown, and in which order. Pure: from rows and wishes to a list.
import { type Row, placeOf } from "./row";

export const COLUMNS = ["status", "name", "platform", "place", "source", "last_live", "checked"] as const;
export type Column = (typeof COLUMNS)[number];

export interface Wishes {
  search: string;
  status: string;
  platform: string;
  pinned: boolean;
  sort: Column | "";
  descending: boolean;
}

export const EVERYTHING: Wishes = { search: "", status: "", platform: "", pinned: false, sort: "", descending: true };

const STATUS_ORDER = ["live", "checking", "unknown", "offline", "error"];

const KEY: Record<Column, (row: Row) => string> = {
  status: (row) => String(STATUS_ORDER.indexOf(row.status)),
  name: (row) => (row.title || row.link.replace(/^https?:\/\/(www\.)?/i, "")).toLowerCase(),
  platform: (row) => row.platform_key ?? "",
  place: (row) => placeOf(row).toLowerCase(),
  source: (row) => row.source.toLowerCase(),
  last_live: (row) => row.last_live_at ?? "",
  checked: (row) => row.last_checked_at ?? "",
};

function mentions(row: Row, wanted: string): boolean {
  return [row.title, row.link, row.source, row.city, row.state, row.posted_by, row.notes].some((text) => text?.toLowerCase().includes(wanted));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function chosen(rows: Iterable<Row>, wishes: Wishes): Row[] {
  const search = wishes.search.trim().toLowerCase();
  const platform = wishes.platform.toLowerCase();
  const shown = [...rows].filter(
    (row) =>
      (!wishes.status || row.status === wishes.status) &&
      (!platform || row.platform_key === platform) &&
      (!wishes.pinned || row.is_pinned) &&
      (!search || mentions(row, search)),
  );
  if (wishes.sort === "") return shown.sort((a, b) => Number(b.is_pinned) - Number(a.is_pinned) || compare(b.created_at, a.created_at) || b.id - a.id);
  const key = KEY[wishes.sort];
  const turn = wishes.descending ? -1 : 1;
  // What is empty comes last, whichever way it is sorted.
  const keyed = shown.map((row) => ({ row, key: key(row) }));
  keyed.sort((a, b) => Number(a.key === "") - Number(b.key === "") || turn * compare(a.key, b.key) || a.row.id - b.row.id);
  return keyed.map(({ row }) => row);
}
