// Moments in a person's words. One clock for the whole page, so that "3 min ago" grows everywhere at once.
import { signal } from "@preact/signals";

export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 15_000);

export function ago(moment: string | number | null | undefined): string {
  if (moment === null || moment === undefined || moment === "") return "";
  const seconds = Math.max(0, (Math.max(now.value, Date.now()) - new Date(moment).getTime()) / 1000);
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h`;
  if (seconds < 30 * 86_400) return `${Math.round(seconds / 86_400)} d`;
  return new Date(moment).toLocaleDateString();
}

export function clock(moment: string | number): string {
  return new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function exactly(moment: string | null): string {
  return moment ? new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }) : "never";
}

export function lasting(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
