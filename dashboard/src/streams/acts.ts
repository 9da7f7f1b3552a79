// What one may do to a stream: each is one request, and its answer is taken as any news is.
import { Problem, ask, sentenceOf } from "../api";
import { may, me } from "../session";
import { say } from "../parts/toasts";
import type { Row } from "./row";
import { nameOf } from "./row";
import { take } from "./store";

/** Whether it is worth offering: the hub decides again. */
export function mayChange(row: Row): boolean {
  return may("streams:update_any") || (may("streams:write") && row.user_id === me.value?.id);
}

async function act(row: Row, method: string, what: string, done: string): Promise<void> {
  try {
    take(await ask<Row>(`/api/v1/streams/${row.id}/${what}`, { method }));
    say(`${nameOf(row)}: ${done}.`);
  } catch (error) {
    const reason = error instanceof Problem && error.status === 403 ? "Only its owner or an admin may do that." : sentenceOf(error);
    say(reason, "fault");
  }
}

export const pin = (row: Row) => (row.is_pinned ? act(row, "DELETE", "pin", "unpinned") : act(row, "PUT", "pin", "pinned"));
export const archive = (row: Row) => (row.is_archived ? act(row, "POST", "unarchive", "back on the list") : act(row, "POST", "archive", "archived"));
