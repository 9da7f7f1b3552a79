// Ten thousand rows of which only those in sight exist. A row changes in place and glows for a moment.
import { useEffect, useRef } from "preact/hooks";
import { Badge } from "../parts/badge";
import { Icon } from "../parts/icon";
import { ago, exactly } from "../time";
import { useNarrow } from "../parts/narrow";
import { useVirtual } from "../virtual";
import { archive, mayChange, pin } from "./acts";
import { type Row, isWebLink, nameOf, placeOf, shortLink } from "./row";
import { touched } from "./store";
import type { Column } from "./view";
import { sortBy, wishes } from "./wishes";

const HEADINGS: { column: Column; label: string }[] = [
  { column: "status", label: "Status" },
  { column: "name", label: "Stream" },
  { column: "platform", label: "Platform" },
  { column: "place", label: "City" },
  { column: "source", label: "Source" },
  { column: "last_live", label: "Last live" },
  { column: "checked", label: "Checked" },
];

export function StreamTable({ rows, sortable }: { rows: Row[]; sortable?: boolean }) {
  const scroller = useRef<HTMLDivElement>(null);
  const narrow = useNarrow();
  const { items, height } = useVirtual(scroller, rows.length, narrow ? 68 : 40);
  const { sort, descending } = wishes.value;
  return (
    <div class="table" role="table" aria-label="Streams" aria-rowcount={rows.length + 1}>
      <div class="table-scroll" ref={scroller} tabIndex={0} role="rowgroup" aria-label="Rows">
        <div class="table-head row" role="row" aria-rowindex={1}>
          {HEADINGS.map(({ column, label }) => (
            <span key={column} role="columnheader" class={`at-${column}`} aria-sort={sortable && sort === column ? (descending ? "descending" : "ascending") : undefined}>
              {sortable ? (
                <button type="button" onClick={() => sortBy(column)}>
                  {label}
                  {sort === column && <Icon name={descending ? "down" : "up"} />}
                </button>
              ) : (
                label
              )}
            </span>
          ))}
          <span role="columnheader" class="at-acts">
            <span class="heard-only">Actions</span>
          </span>
        </div>
        <div class="table-body" role="presentation" style={{ height: `${height}px` }}>
          {items.map(({ index, start, size }) => {
            const row = rows[index];
            return row && <Line key={row.id} row={row} index={index} top={start} height={size} />;
          })}
        </div>
      </div>
    </div>
  );
}

function Line({ row, index, top, height }: { row: Row; index: number; top: number; height: number }) {
  const element = useRef<HTMLDivElement>(null);
  useGlow(element, row);
  const name = nameOf(row);
  return (
    <div ref={element} class="row" role="row" aria-rowindex={index + 2} data-id={row.id} data-pinned={row.is_pinned} style={{ transform: `translateY(${top}px)`, height: `${height}px` }}>
      <span role="cell" class="at-status">
        <Badge status={row.status} />
      </span>
      <span role="cell" class="at-name">
        <span class="name">{name}</span>
        {isWebLink(row.link) ? (
          <a href={row.link} target="_blank" rel="noopener noreferrer">
            {shortLink(row.link)}
          </a>
        ) : (
          <span class="quiet">{row.link}</span>
        )}
      </span>
      <span role="cell" class="at-platform">
        {row.platform ?? <span class="none">–</span>}
      </span>
      <span role="cell" class="at-place">
        {placeOf(row) || <span class="none">–</span>}
      </span>
      <span role="cell" class="at-source" title={row.posted_by ?? ""}>
        {row.source}
      </span>
      <span role="cell" class="at-last_live tabular" title={exactly(row.last_live_at)}>
        {row.status === "live" ? "now" : ago(row.last_live_at) || <span class="none">never</span>}
      </span>
      <span role="cell" class="at-checked tabular" title={exactly(row.last_checked_at)}>
        {ago(row.last_checked_at) || <span class="none">never</span>}
      </span>
      <span role="cell" class="at-acts">
        <Acts row={row} name={name} />
      </span>
    </div>
  );
}

export function Acts({ row, name }: { row: Row; name: string }) {
  if (!mayChange(row)) {
    return row.is_pinned ? (
      <span class="pinned" title="Pinned">
        <Icon name="pin" />
        <span class="heard-only">Pinned</span>
      </span>
    ) : null;
  }
  return (
    <>
      <button type="button" class="icon-button" aria-pressed={row.is_pinned} aria-label={`Pin ${name}`} title={row.is_pinned ? "Unpin" : "Pin"} onClick={() => void pin(row)}>
        <Icon name="pin" />
      </button>
      <button type="button" class="icon-button" aria-label={`${row.is_archived ? "Bring back" : "Archive"} ${name}`} title={row.is_archived ? "Bring back" : "Archive"} onClick={() => void archive(row)}>
        <Icon name={row.is_archived ? "restore" : "archive"} />
      </button>
    </>
  );
}

/** Lets an element glow when its row has just changed; scrolling past an old change does not. */
export function useGlow(element: { current: HTMLElement | null }, row: Row): void {
  useEffect(() => {
    const at = touched.get(row.id);
    if (at === undefined || Date.now() - at > 600) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const glow = { backgroundColor: [getComputedStyle(document.documentElement).getPropertyValue("--glow"), "transparent"] };
    const running = element.current?.animate(glow, { duration: still ? 1 : 1600, easing: "ease-out" });
    return () => running?.cancel();
  }, [row.id, row.lock_version]);
}
