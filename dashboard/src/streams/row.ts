// A stream as the hub tells it, over HTTP and over the cable alike.

export interface Row {
  id: number;
  source: string;
  link: string;
  status: Status;
  platform: string | null;
  platform_key: string | null;
  title: string | null;
  notes: string | null;
  city: string | null;
  state: string | null;
  posted_by: string | null;
  orientation: string | null;
  kind: string;
  is_pinned: boolean;
  is_archived: boolean;
  last_checked_at: string | null;
  last_live_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  user_id: number | null;
  lock_version: number;
  created_at: string;
  updated_at: string;
}

export const STATUSES = ["live", "checking", "offline", "unknown", "error"] as const;
export type Status = (typeof STATUSES)[number];

export const PLATFORMS = ["Twitch", "YouTube", "TikTok", "Kick", "Facebook", "Instagram"] as const;

export function placeOf(row: Row): string {
  return [row.city, row.state].filter(Boolean).join(", ");
}

/** What a person would call it. */
export function nameOf(row: Row): string {
  return row.title || handleOf(row.link) || row.source;
}

/** The last telling part of a link: a channel's name, a video's id. */
export function handleOf(link: string): string {
  try {
    const { pathname, searchParams } = new URL(link);
    return searchParams.get("v") ?? pathname.split("/").filter((part) => part && part !== "live" && part !== "watch").pop() ?? "";
  } catch {
    return "";
  }
}

export function shortLink(link: string): string {
  return link.replace(/^https?:\/\/(www\.)?/i, "").replace(/\/$/, "");
}

/** Only web addresses become links, whatever a bot may have posted. */
export function isWebLink(link: string): boolean {
  return /^https?:\/\//i.test(link);
}
