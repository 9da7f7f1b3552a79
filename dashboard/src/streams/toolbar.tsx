// Above the streams: what to show of them, how, and what to bring in or take along.
import { useSignal } from "@preact/signals";
import { download, sentenceOf } from "../api";
import { Icon } from "../parts/icon";
import { say } from "../parts/toasts";
import { may } from "../session";
import type { View } from "./page";
import { PLATFORMS, STATUSES } from "./row";
import { counts, shown, wish, wishes } from "./wishes";

interface Props {
  view: View;
  choose: (view: View) => void;
  add: () => void;
  bring: () => void;
}

export function Toolbar({ view, choose, add, bring }: Props) {
  const { search, status, platform, pinned } = wishes.value;
  const { all, byStatus } = counts.value;
  return (
    <div class="toolbar">
      <div class="chips" role="group" aria-label="Status">
        <Chip label="All" count={all} pressed={status === ""} press={() => wish({ status: "" })} />
        {STATUSES.map((name) => (
          <Chip key={name} label={name} status={name} count={byStatus.get(name) ?? 0} pressed={status === name} press={() => wish({ status: status === name ? "" : name })} />
        ))}
      </div>
      <div class="wishes">
        <label class="search">
          <Icon name="search" />
          <input type="search" placeholder="Search" aria-label="Search streams" value={search} onInput={(event) => wish({ search: event.currentTarget.value })} />
        </label>
        <select aria-label="Platform" value={platform} onChange={(event) => wish({ platform: event.currentTarget.value })}>
          <option value="">All platforms</option>
          {PLATFORMS.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <button type="button" class="toggle" aria-pressed={pinned} onClick={() => wish({ pinned: !pinned })}>
          <Icon name="pin" /> Pinned
        </button>
      </div>
      <div class="acts">
        <output class="quiet tabular">{view !== "archive" && shown.value.length !== all ? `${shown.value.length.toLocaleString()} of ${all.toLocaleString()}` : ""}</output>
        <div class="segments" role="group" aria-label="View">
          <Segment icon="table" label="Table" pressed={view === "table"} press={() => choose("table")} />
          <Segment icon="wall" label="Wall" pressed={view === "wall"} press={() => choose("wall")} />
          <Segment icon="archive" label="Archive" pressed={view === "archive"} press={() => choose("archive")} />
        </div>
        {may("streams:export") && <Export />}
        {may("streams:import") && (
          <button type="button" onClick={bring}>
            <Icon name="upload" /> Import
          </button>
        )}
        {may("streams:write") && (
          <button type="button" class="strong" onClick={add}>
            <Icon name="plus" /> Add
          </button>
        )}
      </div>
    </div>
  );
}

function Chip({ label, count, pressed, press, status }: { label: string; count: number; pressed: boolean; press: () => void; status?: string }) {
  return (
    <button type="button" class="chip" aria-pressed={pressed} data-status={status} onClick={press}>
      {label} <span class="tabular">{count.toLocaleString()}</span>
    </button>
  );
}

function Segment({ icon, label, pressed, press }: { icon: "table" | "wall" | "archive"; label: string; pressed: boolean; press: () => void }) {
  return (
    <button type="button" aria-pressed={pressed} aria-label={label} title={label} onClick={press}>
      <Icon name={icon} />
    </button>
  );
}

/** The hub's own export, with the wishes as its filters. */
function Export() {
  const busy = useSignal(false);
  const take = async (format: string) => {
    if (!format) return;
    busy.value = true;
    const { search, status, platform, pinned } = wishes.value;
    const query = new URLSearchParams({ format, ...(search && { search }), ...(status && { status }), ...(platform && { platform }), ...(pinned && { pinned: "true" }) });
    try {
      await download(`/api/v1/streams/export?${query}`, `streams.${format}`);
    } catch (error) {
      say(sentenceOf(error), "fault");
    } finally {
      busy.value = false;
    }
  };
  return (
    <select
      class="menu"
      aria-label="Export what is shown"
      disabled={busy.value}
      value=""
      onChange={(event) => {
        void take(event.currentTarget.value);
        event.currentTarget.value = "";
      }}
    >
      <option value="">Export</option>
      <option value="csv">as CSV</option>
      <option value="json">as JSON</option>
    </select>
  );
}
