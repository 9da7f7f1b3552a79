// Who did what, newest first.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ask, sentenceOf } from "../api";
import { ago, exactly } from "../time";
import type { AuditEntry } from "./told";

const ASK_EVERY_MS = 5000;

export function Audit() {
  const entries = useSignal<AuditEntry[] | null>(null);
  const fault = useSignal("");
  useEffect(() => {
    const look = () =>
      ask<{ data: AuditEntry[] }>("/api/v1/audit?limit=20").then(
        ({ data }) => ((entries.value = data), (fault.value = "")),
        (error: unknown) => (fault.value = sentenceOf(error)),
      );
    void look();
    const timer = setInterval(() => void look(), ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <section class="panel" aria-labelledby="audit-title">
      <header>
        <h2 id="audit-title">Audit</h2>
      </header>
      {fault.value && <p class="notice" data-kind="fault">{fault.value}</p>}
      {entries.value?.length === 0 && <p class="quiet">Nothing yet.</p>}
      <ol class="audit" tabIndex={0} aria-label="Audit entries">
        {entries.value?.map((entry) => (
          <li key={entry.id}>
            <time dateTime={entry.at} class="quiet tabular" title={exactly(entry.at)}>
              {ago(entry.at)}
            </time>
            <code>{entry.action}</code>
            <span>
              {entry.actor.name ?? (entry.actor.id ? `user ${entry.actor.id}` : "")} <span class="quiet">{[entry.subject, entry.detail].filter(Boolean).join(" · ")}</span>
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
