// Which page is shown: the part after `#/`. The hub serves one document for all of them.
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

/** `#/streams?view=wall` is `{ page: "streams", query: view=wall }`. */
export const route = computed(() => {
  const [path = "", query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  return { page: path || "streams", query: new URLSearchParams(query) };
});

export function goTo(page: string, query: Record<string, string> = {}): void {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  location.hash = text ? `#/${page}?${text}` : `#/${page}`;
}
