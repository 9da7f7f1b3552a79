// The sheet: rows in sight, one selected cell, one edited cell, and everybody else's locks in their colours.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../parts/icon";
import { me } from "../session";
import type { Row } from "../streams/row";
import { useVirtual } from "../virtual";
import { CellEditor } from "./cell_editor";
import { locks, written } from "./channel";
import { begin, editing, finish } from "./editing";
import { type Cell, FIELDS, type Field, LABELS, cellId, textOf } from "./fields";
import { pressed } from "./keys";
import { here, selected } from "./selection";
import { pending } from "./writes";

const ROW_HEIGHT = 34;

export function Sheet({ rows, history }: { rows: readonly Row[]; history: () => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { items, height, show } = useVirtual(scroller, rows.length, ROW_HEIGHT, ROW_HEIGHT);
  const at = selected.value;
  const edited = editing.value;
  const index = at ? rows.findIndex(({ id }) => id === at.id) : -1;
  useEffect(() => {
    if (index >= 0) show(index);
    if (at) document.getElementById(cellId(at))?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [at?.id, at?.field]);
  // Whoever comes to this page may press keys at once; and the field of an edit that has ended is gone from under the focus.
  useLayoutEffect(() => {
    if (!edited && (document.activeElement ?? document.body).matches("body, nav a")) scroller.current?.focus({ preventScroll: true });
  }, [edited === null]);
  useEffect(() => {
    if (document.activeElement === scroller.current) here(rows);
  }, [rows.length > 0]);
  // Keys that nothing else on the page would hear are for the sheet, too.
  useEffect(() => {
    const heard = (event: KeyboardEvent) => {
      if (!(event.target as Element).matches("body, main") || event.key === "Tab" || !pressed(event, rows, history)) return;
      event.preventDefault();
      scroller.current?.focus({ preventScroll: true });
    };
    document.addEventListener("keydown", heard);
    return () => document.removeEventListener("keydown", heard);
  }, [rows, history]);
  const paste = (event: ClipboardEvent) => {
    const text = event.clipboardData?.getData("text/plain").trim();
    if (edited || !at || !text || !begin(at, text.split(/\r?\n/)[0])) return;
    event.preventDefault();
    finish();
  };
  const copy = (event: ClipboardEvent) => {
    const row = index >= 0 ? rows[index] : undefined;
    if (edited || !at || !row) return;
    event.clipboardData?.setData("text/plain", textOf(row, at.field));
    event.preventDefault();
  };
  return (
    <div
      ref={scroller}
      class="sheet"
      role="grid"
      aria-label="Streams, editable"
      aria-rowcount={rows.length + 1}
      aria-colcount={FIELDS.length + 1}
      aria-activedescendant={at && index >= 0 ? cellId(at) : undefined}
      tabIndex={0}
      onKeyDown={(event) => pressed(event, rows, history) && event.preventDefault()}
      onFocus={() => here(rows)}
      onPaste={paste}
      onCopy={copy}
    >
      <div class="sheet-row sheet-head" role="row" aria-rowindex={1}>
        <span role="columnheader" class="sheet-number">
          #
        </span>
        {FIELDS.map((field) => (
          <span key={field} role="columnheader" data-field={field}>
            {LABELS[field]}
          </span>
        ))}
      </div>
      <div class="sheet-body" role="rowgroup" style={{ height: `${height}px` }}>
        {items.map(({ index: place, start }) => {
          const row = rows[place];
          return row && <SheetRow key={row.id} row={row} place={place} top={start} at={at?.id === row.id ? at.field : null} />;
        })}
      </div>
    </div>
  );
}

function SheetRow({ row, place, top, at }: { row: Row; place: number; top: number; at: Field | null }) {
  return (
    <div class="sheet-row" role="row" aria-rowindex={place + 2} style={{ transform: `translateY(${top}px)` }}>
      <span role="rowheader" class="sheet-number tabular">
        {row.id}
      </span>
      {FIELDS.map((field) => (
        <SheetCell key={field} row={row} cell={{ id: row.id, field }} selected={at === field} />
      ))}
    </div>
  );
}

function SheetCell({ row, cell, selected: isSelected }: { row: Row; cell: Cell; selected: boolean }) {
  const id = cellId(cell);
  const now = editing.value;
  const isEdited = now !== null && cellId(now.cell) === id;
  const lock = locks.value.get(id);
  const foreign = lock && !lock.here ? lock : null;
  const holder = foreign && (foreign.user_id === me.value?.id ? "you, in another tab" : foreign.user_name);
  const unsaved = pending.value.get(id);
  const text = unsaved?.text ?? textOf(row, cell.field);
  const element = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const mark = written.get(id);
    if (!mark || Date.now() - mark.at > 2000) return;
    const color = mark.color.startsWith("var") ? getComputedStyle(document.documentElement).getPropertyValue("--accent") : mark.color;
    const running = element.current?.animate({ backgroundColor: [`${color.trim()}88`, "transparent"] }, { duration: 1800, easing: "ease-out" });
    return () => running?.cancel();
  }, [text]);
  const choose = () => {
    if (isEdited) return;
    finish();
    selected.value = cell;
  };
  return (
    <span
      ref={element}
      id={id}
      role="gridcell"
      class="cell"
      data-field={cell.field}
      data-status={cell.field === "status" ? row.status : undefined}
      data-unsaved={unsaved !== undefined}
      aria-selected={isSelected}
      aria-readonly={foreign !== null && foreign.user_id !== me.value?.id}
      aria-label={holder ? `${text || "empty"}, edited by ${holder}` : undefined}
      style={foreign ? { "--holder": foreign.user_color } : undefined}
      data-locked={foreign === null ? "false" : foreign.user_id === me.value?.id ? "here" : "true"}
      onMouseDown={choose}
      onDblClick={() => begin(cell)}
    >
      {isEdited ? <CellEditor now={now} /> : <span class="cell-text">{text}</span>}
      {foreign && (
        <span class="holder">
          <Icon name="lock" /> {holder}
        </span>
      )}
    </span>
  );
}

