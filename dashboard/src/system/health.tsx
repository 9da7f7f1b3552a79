// Whether all is well, in one line.
import { fault, health } from "./feed";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

function bytes(count: number): string {
  const power = count > 0 ? Math.min(UNITS.length - 1, Math.floor(Math.log2(count) / 10)) : 0;
  return `${(count / 1024 ** power).toFixed(power > 0 ? 1 : 0)} ${UNITS[power]}`;
}

export function HealthStrip() {
  const seen = health.value;
  if (fault.value) return <p class="notice" data-kind="fault" role="alert">Its health could not be read: {fault.value}</p>;
  if (!seen) return <p class="quiet">One moment…</p>;
  const { journal, cables } = seen;
  return (
    <dl class="health" aria-label="Health">
      <Figure name="Health" value={seen.status} kind={seen.status === "ok" ? "good" : "bad"} />
      <Figure name="Version" value={seen.version} />
      {journal && <Figure name="Commits" value={journal.head.toLocaleString()} />}
      {journal && <Figure name="Commits per fsync" value={journal.barriers > 0 ? (journal.appended / journal.barriers).toFixed(1) : "–"} />}
      {journal && <Figure name="Appends waiting" value={journal.queued.toLocaleString()} kind={journal.queued > 100 ? "bad" : undefined} />}
      {journal?.disk_bytes != null && <Figure name="On disk" value={bytes(journal.disk_bytes)} />}
      {cables && <Figure name="Connections so far" value={cables.accepted.toLocaleString()} />}
      {cables && <Figure name="Refused" value={cables.refused.toLocaleString()} kind={cables.refused > 0 ? "bad" : undefined} />}
    </dl>
  );
}

function Figure({ name, value, kind }: { name: string; value: string; kind?: "good" | "bad" | undefined }) {
  return (
    <div data-kind={kind}>
      <dt>{name}</dt>
      <dd class="tabular">{value}</dd>
    </div>
  );
}
