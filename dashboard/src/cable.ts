// The one cable of this tab: opened at sign-in, closed at sign-out, resumed by itself in between. Says how the connection is; what is told
// on a channel is its subscribers' business.
import { type Cable, type Channel, createCable, Channel as CableChannel } from "@anycable/web";
import { signal } from "@preact/signals";
import { shownTheDoor } from "./session";

export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  /** Back again; what happened meanwhile is being read. */
  | { state: "catching_up"; since: number }
  | { state: "stale"; since: number };

export const connection = signal<Connection>({ state: "connecting" });

let cable: Cable | null = null;

/** Longer each time, and never all pages at once. */
function pause(attempts: number): number {
  return Math.min(400 * 2 ** attempts, 8000) * (0.5 + Math.random() / 2);
}

export function openCable(token: string): void {
  closeCable();
  const address = `${location.origin.replace(/^http/, "ws")}/cable?token=${encodeURIComponent(token)}`;
  const own = createCable(address, { protocol: "actioncable-v1-ext-json", reconnectStrategy: pause, logLevel: "error", performFailures: "throw" });
  cable = own;
  connection.value = { state: "connecting" };
  own.on("connect", ({ reconnect }) => {
    const now = connection.value;
    connection.value = reconnect && now.state === "stale" ? { state: "catching_up", since: now.since } : { state: "live" };
  });
  own.on("disconnect", () => {
    if (own === cable) lost();
  });
  own.on("close", (reason) => {
    if (own !== cable) return;
    const said = reason?.reason ?? reason?.message ?? "";
    if (/unauthorized|token_expired/.test(said)) shownTheDoor("Your session has ended. Please sign in again.");
    else lost();
  });
  own.connect().catch(() => {
    if (own === cable && connection.value.state === "connecting") lost();
  });
}

function lost(): void {
  const now = connection.value;
  if (now.state === "stale") return;
  connection.value = { state: "stale", since: now.state === "catching_up" ? now.since : Date.now() };
}

/** Whoever had something to catch up has caught up. */
export function caughtUp(): void {
  if (connection.value.state === "catching_up") connection.value = { state: "live" };
}

export function closeCable(): void {
  const old = cable;
  cable = null;
  old?.disconnect();
}

/** A channel of the hub by its name; `T` is what it tells. */
export function topic<T extends object>(name: string): CableChannel<Record<never, string>, T> {
  return new (class extends CableChannel<Record<never, string>, T> {
    static override readonly identifier = name;
  })();
}

/** The same, of one topic that the channel is asked to show. */
export function tap<T extends object>(name: string, shown: string): CableChannel<{ tap: string }, T> {
  return new (class extends CableChannel<{ tap: string }, T> {
    static override readonly identifier = name;
  })({ tap: shown });
}

/** Subscribes; the answer ends the subscription. */
export function follow(channel: Channel): () => void {
  const own = cable;
  if (!own) return () => {};
  own.subscribe(channel);
  return () => channel.disconnect();
}
