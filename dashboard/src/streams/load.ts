// Reads the list page by page, oldest first: what is added meanwhile comes at the end and moves nothing.
import { askPatiently } from "../api";
import type { Row } from "./row";

interface Page {
  streams: Row[];
  meta: { total_pages: number; total_count: number };
}

const PER_PAGE = 100;
/** Pages under way at once. */
const AT_ONCE = 6;

function page(number: number): Promise<Page> {
  return askPatiently<Page>(`/api/v1/streams?per_page=${PER_PAGE}&page=${number}&sort=created_at&direction=asc`);
}

/** Every active stream; `take` is told of each page as it comes, and of how many there are in all. */
export async function loadActive(take: (rows: Row[], total: number) => void): Promise<void> {
  const first = await page(1);
  take(first.streams, first.meta.total_count);
  let next = 2;
  const read = async () => {
    while (next <= first.meta.total_pages) {
      const { streams, meta } = await page(next++);
      take(streams, meta.total_count);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, read));
}

/** The newest archived streams, and how many there are. */
export async function loadArchived(search: string): Promise<{ rows: Row[]; total: number }> {
  const query = new URLSearchParams({ is_archived: "true", per_page: String(PER_PAGE), sort: "updated_at", direction: "desc" });
  if (search) query.set("search", search);
  const { streams, meta } = await askPatiently<Page>(`/api/v1/streams?${query}`);
  return { rows: streams, total: meta.total_count };
}
