// The unmodified @rails/actioncable in Node: it asks for a few browser globals and a WebSocket, nothing else.
import WebSocket from "ws";

globalThis.document ??= { visibilityState: "visible" };
const page = new EventTarget();
globalThis.addEventListener ??= page.addEventListener.bind(page);
globalThis.removeEventListener ??= page.removeEventListener.bind(page);

/** Somebody looks at the page again: a client whose connection is gone comes back at once instead of some seconds later. */
export const lookAtThePage = () => page.dispatchEvent(new Event("visibilitychange"));

const { adapters, createConsumer } = await import("@rails/actioncable");
adapters.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { origin: `http://${new URL(url).host}` });
  }
};

export const consumer = (hub, token) => createConsumer(`${hub.cable}?token=${token}`);

/** Subscribes and remembers everything that came: `received`, and how often it connected, was rejected and was disconnected. */
export function subscribe(consumer, params) {
  const seen = { received: [], connected: 0, rejected: 0, disconnected: [] };
  seen.subscription = consumer.subscriptions.create(params, {
    connected: () => seen.connected++,
    rejected: () => seen.rejected++,
    disconnected: (how) => seen.disconnected.push(how),
    received: (message) => seen.received.push(message),
  });
  seen.of = (action) => seen.received.filter((m) => m.action === action);
  return seen;
}
