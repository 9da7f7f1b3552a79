// The wall: cards to be seen from across a room, as many rows of them as fit in sight.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { Badge } from "../parts/badge";
import { ago, exactly, lasting, now } from "../time";
import { useVirtual } from "../virtual";
import { type Row, isWebLink, nameOf, placeOf, shortLink } from "./row";
import { Acts, useGlow } from "./table";
import { shown } from "./wishes";

const CARD_WIDTH = 236;
const ROW_HEIGHT = 148;

export function Wall() {
  const scroller = useRef<HTMLDivElement>(null);
  const across = useSignal(4);
  useEffect(() => {
    const watcher = new ResizeObserver(([entry]) => {
      if (entry) across.value = Math.max(1, Math.floor((entry.contentRect.width + 12) / (CARD_WIDTH + 12)));
    });
    if (scroller.current) watcher.observe(scroller.current);
    return () => watcher.disconnect();
  }, []);
  const rows = shown.value;
  const { items, height } = useVirtual(scroller, Math.ceil(rows.length / across.value), ROW_HEIGHT);
  return (
    <div class="wall" ref={scroller} tabIndex={0} role="region" aria-label={`Wall of ${rows.length} streams`}>
      <div class="wall-body" style={{ height: `${height}px` }}>
        {items.map(({ index, start }) => (
          <div key={index} class="wall-row" role="list" style={{ transform: `translateY(${start}px)`, gridTemplateColumns: `repeat(${across.value}, minmax(0, 1fr))` }}>
            {rows.slice(index * across.value, (index + 1) * across.value).map((row) => (
              <Card key={row.id} row={row} />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

/** For how long it has been live, or when it last was. */
function sinceWhen(row: Row): string {
  if (row.status === "live") return row.started_at ? `for ${lasting(Math.max(now.value, Date.now()) - new Date(row.started_at).getTime())}` : "";
  const when = ago(row.last_live_at);
  return /\d (min|h|d)$/.test(when) ? `${when} ago` : when;
}

function Card({ row }: { row: Row }) {
  const element = useRef<HTMLDivElement>(null);
  useGlow(element, row);
  const name = nameOf(row);
  return (
    <div class="card" role="listitem" data-status={row.status}>
      <div class="card-glow" ref={element}>
        <div class="card-top">
          <Badge status={row.status} />
          <span class="quiet">{row.platform ?? ""}</span>
        </div>
        <p class="card-name">
          {isWebLink(row.link) ? (
            <a href={row.link} target="_blank" rel="noopener noreferrer">
              {name}
            </a>
          ) : (
            name
          )}
        </p>
        <p class="quiet card-link">{shortLink(row.link)}</p>
        <div class="card-foot">
          <span>{placeOf(row) || row.source}</span>
          <span class="quiet tabular" title={`Last live: ${exactly(row.last_live_at)}`}>{sinceWhen(row)}</span>
          <span class="card-acts">
            <Acts row={row} name={name} />
          </span>
        </div>
      </div>
    </div>
  );
}
