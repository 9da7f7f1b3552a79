// The grid: the sheet, who is in it, and the history of the selected cell beside it.
import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Icon } from "../parts/icon";
import { may } from "../session";
import type { Row } from "../streams/row";
import { changes, loading, rows } from "../streams/store";
import { chosen, EVERYTHING } from "../streams/view";
import { join } from "./channel";
import { editing, openEditing } from "./editing";
import { HistoryPanel } from "./history_panel";
import { People } from "./people";
import { selected } from "./selection";
import { Sheet } from "./sheet";
import { steps, undo } from "./undo";
import { openWrites, pending } from "./writes";

export function GridPage() {
  const search = useSignal("");
  const history = useSignal(false);
  useEffect(() => {
    const leave = [join(), openWrites(), openEditing()];
    // The edit first: it sends its last word over the channel.
    return () => leave.reverse().forEach((end) => end());
  }, []);
  const list = useComputed<Row[]>(() => {
    void changes.value;
    // By number: a sheet whose rows jump cannot be edited.
    return chosen(rows.values(), { ...EVERYTHING, search: search.value }).sort((a, b) => a.id - b.id);
  });
  const at = selected.value;
  return (
    <section class="grid-page" data-panel={history.value}>
      <div class="toolbar">
        <People />
        <label class="search">
          <Icon name="search" />
          <input type="search" placeholder="Search" aria-label="Search the grid" value={search.value} onInput={(event) => (search.value = event.currentTarget.value)} />
        </label>
        <div class="acts">
          <SaveState />
          <button type="button" disabled={steps.value.length === 0} title="Undo your last change (Ctrl+Z)" onClick={() => (selected.value = undo() ?? at)}>
            <Icon name="undo" /> Undo
          </button>
          <button type="button" class="toggle" aria-pressed={history.value} title="History of the selected cell (Alt+H)" onClick={() => (history.value = !history.value)}>
            <Icon name="history" /> History
          </button>
        </div>
      </div>
      <div class="grid-area">
        {list.value.length === 0 && !loading.value ? <p class="empty">{rows.size ? "No row fits." : "There are no streams yet: add one on the Streams page."}</p> : <Sheet rows={list.value} history={() => (history.value = !history.value)} />}
        {history.value && at && <HistoryPanel cell={at} close={() => (history.value = false)} />}
        {history.value && !at && <p class="empty">Select a cell to see its history.</p>}
      </div>
      <p class="hints quiet">
        {may("streams:lock") ? (
          <>
            <kbd>↑↓←→</kbd> move <kbd>Enter</kbd> edit <kbd>Tab</kbd> next <kbd>Esc</kbd> cancel <kbd>Ctrl Z</kbd> undo <kbd>Alt H</kbd> history
          </>
        ) : (
          "You see everything as it is written; editing needs the role editor."
        )}
      </p>
    </section>
  );
}

/** One word on whether everything written here is safe. */
function SaveState() {
  const now = editing.value;
  const waiting = pending.value.size;
  const unsaved = now !== null && now.draft !== now.saved;
  let text = steps.value.length > 0 ? "All saved" : "";
  if (now && now.phase !== "held" && now.phase !== "asked") text = "Not saved";
  else if (waiting > 0) text = "Saving…";
  else if (unsaved) text = "Typing…";
  return (
    <output class="quiet save-state" aria-live="polite">
      {text}
    </output>
  );
}
