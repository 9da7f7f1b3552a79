// How the connection is, always visible: live, catching up, or stale since when.
import { connection } from "../cable";
import { loading } from "../streams/store";
import { clock } from "../time";

export function Lamp() {
  const now = connection.value;
  const reading = loading.value;
  let text = "live";
  if (now.state === "connecting") text = "connecting…";
  else if (now.state === "stale") text = `stale since ${clock(now.since)}`;
  else if (now.state === "catching_up") text = "catching up…";
  else if (reading) text = reading.of > 0 ? `reading ${reading.read.toLocaleString()} of ${reading.of.toLocaleString()}` : "reading…";
  const state = now.state === "live" && reading ? "catching_up" : now.state;
  return (
    <p class="lamp" role="status" data-state={state}>
      <span class="bulb" aria-hidden="true" />
      <span>{text}</span>
      {reading && <progress class="reading" aria-label="Reading the streams" max={Math.max(reading.of, 1)} value={reading.read} />}
    </p>
  );
}
