// Who is signed in, in this tab. The token lives in sessionStorage: two tabs may be two people. Never decides what is allowed: the hub
// does; `may` only says what is worth showing.
import { computed, signal } from "@preact/signals";

export interface Me {
  id: number;
  email: string;
  role: string;
  display_name: string;
  color: string;
  permissions: string[];
}

const KEPT_AS = "trunkline.token";

export const token = signal<string | null>(sessionStorage.getItem(KEPT_AS));
export const me = signal<Me | null>(null);
/** Why somebody who was signed in is not any more. */
export const farewell = signal("");

const permissions = computed(() => new Set(me.value?.permissions ?? []));

export function may(permission: string): boolean {
  return permissions.value.has("*") || permissions.value.has(permission);
}

export function keepToken(fresh: string): void {
  sessionStorage.setItem(KEPT_AS, fresh);
  farewell.value = "";
  token.value = fresh;
}

/** Ends this tab's session and says why; nothing of it stays on the screen. */
export function shownTheDoor(reason: string): void {
  sessionStorage.removeItem(KEPT_AS);
  farewell.value = reason;
  token.value = null;
  me.value = null;
}
