// The streams: a table or a wall of cards over the same rows, and what one may do with them.
import { useSignal } from "@preact/signals";
import { goTo, route } from "../route";
import { Icon } from "../parts/icon";
import { AddDialog } from "./add";
import { ArchiveView } from "./archive_view";
import { ImportDialog } from "./import";
import { fault, loading, reload, rows } from "./store";
import { StreamTable } from "./table";
import { Toolbar } from "./toolbar";
import { Wall } from "./wall";
import { EVERYTHING } from "./view";
import { shown, wishes } from "./wishes";

export type View = "table" | "wall" | "archive";

export function StreamsPage() {
  const dialog = useSignal<"add" | "import" | null>(null);
  const view = (route.value.query.get("view") ?? "table") as View;
  const choose = (wanted: View) => goTo("streams", { view: wanted === "table" ? "" : wanted });
  return (
    <section class="streams">
      <Toolbar view={view} choose={choose} add={() => (dialog.value = "add")} bring={() => (dialog.value = "import")} />
      {fault.value && (
        <p class="notice" data-kind="fault" role="alert">
          The list could not be read: {fault.value}{" "}
          <button type="button" onClick={reload}>
            Read again
          </button>
        </p>
      )}
      {view === "archive" ? <ArchiveView /> : shown.value.length === 0 && !loading.value ? <Empty add={() => (dialog.value = "add")} /> : view === "wall" ? <Wall /> : <StreamTable rows={shown.value} sortable />}
      {dialog.value === "add" && <AddDialog close={() => (dialog.value = null)} />}
      {dialog.value === "import" && <ImportDialog close={() => (dialog.value = null)} />}
    </section>
  );
}

function Empty({ add }: { add: () => void }) {
  if (rows.size > 0) {
    return (
      <p class="empty">
        None of the {rows.size.toLocaleString()} streams fits.{" "}
        <button type="button" onClick={() => (wishes.value = EVERYTHING)}>
          Show all
        </button>
      </p>
    );
  }
  return (
    <p class="empty">
      <Icon name="streams" /> There are no streams yet.{" "}
      <button type="button" onClick={add}>
        Add the first
      </button>
    </p>
  );
}
