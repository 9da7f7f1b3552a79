// What was put away: read from the hub when one looks, as there may be very much of it.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { sentenceOf } from "../api";
import { loadArchived } from "./load";
import type { Row } from "./row";
import { changes } from "./store";
import { StreamTable } from "./table";
import { wishes } from "./wishes";

export function ArchiveView() {
  const found = useSignal<{ rows: Row[]; total: number } | null>(null);
  const fault = useSignal("");
  const { search } = wishes.value;
  useEffect(() => {
    // As long as somebody types or much happens, one question is enough.
    const soon = setTimeout(() => {
      loadArchived(search.trim()).then(
        (answer) => ((found.value = answer), (fault.value = "")),
        (error: unknown) => (fault.value = sentenceOf(error)),
      );
    }, found.value ? 600 : 0);
    return () => clearTimeout(soon);
  }, [search, changes.value]);
  if (fault.value) return <p class="notice" data-kind="fault" role="alert">The archive could not be read: {fault.value}</p>;
  if (!found.value) return <p class="empty">One moment…</p>;
  const { rows, total } = found.value;
  if (total === 0) return <p class="empty">{search ? "Nothing in the archive fits." : "The archive is empty."}</p>;
  return (
    <>
      {total > rows.length && (
        <p class="notice">
          The {rows.length} put away last, of {total.toLocaleString()}: search to find others.
        </p>
      )}
      <StreamTable rows={rows} />
    </>
  );
}
