// What was missed while the connection was away, until somebody has read it.
import { connection } from "../cable";
import { Icon } from "../parts/icon";
import { inWords } from "../streams/missed";
import { missed } from "../streams/store";
import { clock, lasting } from "../time";

export function MissedBar() {
  const now = connection.value;
  const told = missed.value;
  if (now.state === "stale") {
    return (
      <p class="bar" data-kind="stale" role="status">
        <Icon name="warning" /> The connection is gone. What you see is from {clock(now.since)}; trying again all the time.
      </p>
    );
  }
  if (!told) return null;
  return (
    <p class="bar" role="status">
      <Icon name="check" />
      <span>
        Back after {lasting(told.until - told.since)}: {inWords(told)}.
      </span>
      <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => (missed.value = null)}>
        <Icon name="close" />
      </button>
    </p>
  );
}
