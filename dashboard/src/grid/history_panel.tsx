// The history of the selected cell, newest first. It follows the selection and grows as the cell is written.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Problem, sentenceOf } from "../api";
import { SidePanel } from "../parts/side_panel";
import { nameOf } from "../streams/row";
import { rows } from "../streams/store";
import { clock, exactly } from "../time";
import { hear } from "./channel";
import { type Cell, LABELS, cellId } from "./fields";
import { type Change, historyOf, spelled } from "./history";

export function HistoryPanel({ cell, close }: { cell: Cell; close: () => void }) {
  const row = rows.get(cell.id);
  return (
    <SidePanel title="History of a cell" close={close}>
      <p class="panel-lead">
        <b>{LABELS[cell.field]}</b> of {row ? nameOf(row) : `stream ${cell.id}`}
      </p>
      <Changes key={cellId(cell)} cell={cell} />
    </SidePanel>
  );
}

function Changes({ cell }: { cell: Cell }) {
  const changes = useSignal<Change[]>([]);
  const cursor = useSignal<string | null>(null);
  const state = useSignal<"reading" | "read">("reading");
  const fault = useSignal("");
  const read = async (after: string | null) => {
    try {
      const page = await historyOf(cell, after);
      changes.value = after ? [...changes.value, ...page.data] : page.data;
      cursor.value = page.has_more ? page.next_cursor : null;
      fault.value = "";
    } catch (error) {
      const missing = error instanceof Problem && error.status === 404;
      fault.value = missing ? `This hub does not tell the history of a cell (404: ${error.message}).` : sentenceOf(error);
    }
    state.value = "read";
  };
  useEffect(() => {
    void read(null);
    return hear((told) => {
      if (told.action === "cell_updated" && told.cell_id === cellId(cell)) void read(null);
    });
  }, []);
  if (fault.value) return <p class="notice" data-kind="fault" role="alert">{fault.value}</p>;
  if (state.value === "reading") return <p class="quiet">One moment…</p>;
  if (changes.value.length === 0) return <p class="quiet">Nobody has written this cell yet.</p>;
  return (
    <>
      <ol class="changes">
        {changes.value.map((change, index) => (
          <li key={`${change.at} ${index}`}>
            <p>
              <b>{change.by?.name ?? (change.by?.id ? `user ${change.by.id}` : "the hub")}</b>{" "}
              <time dateTime={change.at} title={exactly(change.at)} class="quiet tabular">
                {new Date(change.at).toDateString() === new Date().toDateString() ? clock(change.at) : exactly(change.at)}
              </time>
            </p>
            <p class="from-to">
              <del>{spelled(change.from)}</del> <span aria-label="to">→</span> <ins>{spelled(change.to)}</ins>
            </p>
          </li>
        ))}
      </ol>
      {cursor.value && (
        <button type="button" onClick={() => void read(cursor.value)}>
          Older
        </button>
      )}
    </>
  );
}
