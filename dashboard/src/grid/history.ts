// Who wrote a cell, when, from what, to what: `GET /api/v1/streams/{id}/history?field=&cursor=`.
import { ask } from "../api";
import type { Cell } from "./fields";

export interface Change {
  at: string;
  by: { id: number | null; name: string | null } | null;
  field: string;
  from: unknown;
  to: unknown;
}

interface Page {
  data: Change[];
  has_more: boolean;
  next_cursor: string | null;
}

export function historyOf({ id, field }: Cell, cursor: string | null): Promise<Page> {
  const query = new URLSearchParams({ field, limit: "30", ...(cursor && { cursor }) });
  return ask<Page>(`/api/v1/streams/${id}/history?${query}`);
}

export function spelled(value: unknown): string {
  if (value === null || value === undefined || value === "") return "nothing";
  return typeof value === "string" ? `“${value}”` : JSON.stringify(value);
}
