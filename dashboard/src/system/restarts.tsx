// What crashed, when and why, newest first. Kept in the journal: a restart of the hub forgets none of it.
import { ago, exactly } from "../time";
import { tree } from "./feed";

const SHOWN_MAX = 20;

export function Restarts() {
  const seen = tree.value;
  return (
    <section class="panel" aria-labelledby="restarts-title">
      <header>
        <h2 id="restarts-title">Restarts</h2>
        {seen && <span class="quiet tabular">{seen.restarts.toLocaleString()} since the hub opened</span>}
      </header>
      {seen?.history.length === 0 && <p class="quiet">Nothing has crashed yet.</p>}
      <ol class="restarts">
        {seen?.history
          .slice(-SHOWN_MAX)
          .reverse()
          .map(({ kind, id, cause, at }, index) => (
            <li key={`${at} ${index}`}>
              <time dateTime={at} class="quiet tabular" title={exactly(at)}>
                {ago(at)}
              </time>
              <b>{kind}</b>
              <span>
                {id} <span class="cause">{cause}</span>
              </span>
            </li>
          ))}
      </ol>
    </section>
  );
}
