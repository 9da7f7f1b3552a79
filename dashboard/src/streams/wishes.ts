// What this tab wants to see, and what came of it: shared by the table, the wall and the grid, kept while one goes from page to page.
import { computed, signal } from "@preact/signals";
import { changes, rows } from "./store";
import { EVERYTHING, type Column, type Wishes, chosen } from "./view";

export const wishes = signal<Wishes>(EVERYTHING);

export const shown = computed(() => {
  void changes.value;
  return chosen(rows.values(), wishes.value);
});

export const counts = computed(() => {
  void changes.value;
  const byStatus = new Map<string, number>();
  for (const row of rows.values()) byStatus.set(row.status, (byStatus.get(row.status) ?? 0) + 1);
  return { all: rows.size, byStatus };
});

export function wish(change: Partial<Wishes>): void {
  wishes.value = { ...wishes.value, ...change };
}

/** First the natural way, then the other, then the hub's own order again. */
export function sortBy(column: Column): void {
  const { sort, descending } = wishes.value;
  const newestFirst = column === "last_live" || column === "checked";
  if (sort !== column) wish({ sort: column, descending: newestFirst });
  else if (descending === newestFirst) wish({ descending: !descending });
  else wish({ sort: "", descending: true });
}
