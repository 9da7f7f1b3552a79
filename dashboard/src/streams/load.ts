// Reads the list in one request, line by line as it comes: all rows as they were at one moment.
import { askForLines, askPatiently } from "../api";
import type { Row } from "./row";

/** Every active stream; `take` is told of portions as they come, and of how many there are in all. */
export function loadActive(take: (rows: Row[], total: number) => void, stop: AbortSignal): Promise<void> {
  return askForLines<Row>("/api/v1/streams?format=ndjson", take, stop);
}

/** The newest archived streams, and how many there are. */
export async function loadArchived(search: string): Promise<{ rows: Row[]; total: number }> {
  const query = new URLSearchParams({ is_archived: "true", per_page: "100", sort: "updated_at", direction: "desc" });
  if (search) query.set("search", search);
  const { streams, meta } = await askPatiently<{ streams: Row[]; meta: { total_count: number } }>(`/api/v1/streams?${query}`);
  return { rows: streams, total: meta.total_count };
}
