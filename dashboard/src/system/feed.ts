// Listens to SystemChannel while the page is open, asks for health beside it, and keeps the last minutes as series for the plots.
import { signal } from "@preact/signals";
import { ask, sentenceOf } from "../api";
import { follow, topic } from "../cable";
import { Samples } from "./samples";
import { type Health, type Reading, type Told, type Tree, byCore } from "./told";

export const tree = signal<Tree | null>(null);
export const health = signal<Health | null>(null);
export const fault = signal("");

/** The series of the plots; `beat` says that there is a new point. */
export const beat = signal(0);
export const series = {
  connections: new Samples("level"),
  deliveries: new Samples("rate"),
  append: new Samples("level"),
  slow: new Samples("rate"),
};

const HEALTH_EVERY_MS = 2000;

function hear({ at, tree: seen, append_latency: latency, figures }: Told): void {
  const moment = new Date(at).getTime();
  tree.value = seen;
  const cores = figures.connections?.cores;
  if (cores) {
    series.connections.add(moment, byCore(cores, (core) => core.connections));
    series.deliveries.add(moment, byCore(cores, (core) => core.deliveries));
    series.slow.add(moment, byCore(cores, (core) => core.slow));
  }
  const quantiles: Reading = {};
  if (latency.p99_us !== null) quantiles["99 % within"] = latency.p99_us;
  if (latency.p50_us !== null) quantiles["half within"] = latency.p50_us;
  // Nothing was appended: a gap, not a zero.
  series.append.add(moment, quantiles);
  beat.value++;
}

async function askHealth(): Promise<void> {
  try {
    health.value = await ask<Health>("/health/detailed");
    fault.value = "";
  } catch (error) {
    fault.value = sentenceOf(error);
  }
}

/** Watches until the answer is called. */
export function watch(): () => void {
  const channel = topic<Told>("SystemChannel");
  channel.on("message", (told) => {
    if (told.action === "system") hear(told);
  });
  const leave = follow(channel);
  void askHealth();
  const timer = setInterval(() => void askHealth(), HEALTH_EVERY_MS);
  return () => {
    clearInterval(timer);
    leave();
    Object.values(series).forEach((samples) => samples.clear());
    tree.value = null;
  };
}
