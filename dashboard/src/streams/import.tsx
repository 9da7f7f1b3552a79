// Brings a file in: looked at first, then sent with a progress bar and a result for each line.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Dialog } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { useVirtual } from "../virtual";
import { type ImportLine, readLines } from "./import_lines";
import { type LineResult, type Progress, runImport } from "./import_run";

export function ImportDialog({ close }: { close: () => void }) {
  const lines = useSignal<ImportLine[]>([]);
  const name = useSignal("");
  const progress = useSignal<Progress | null>(null);
  const onlyFailed = useSignal(false);
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const choose = async (file: File | undefined) => {
    if (!file) return;
    name.value = file.name;
    lines.value = readLines(file.name, await file.text());
    progress.value = null;
  };
  const told = progress.value;
  const results: LineResult[] = told?.results ?? lines.value.map((line) => ({ line, outcome: line.fault ? "failed" : "unsent", reason: line.fault }));
  const seen = onlyFailed.value ? results.filter(({ outcome }) => outcome === "failed") : results;
  const bad = lines.value.filter((line) => line.fault).length;
  return (
    <Dialog title="Import streams" close={close} wide>
      <div class="import">
        {!told && (
          <label class="drop">
            <Icon name="upload" />
            <span>{name.value || "Choose a CSV file with a heading, or a JSONL file"}</span>
            <input type="file" accept=".csv,.jsonl,.ndjson,.json,text/csv" aria-label="File" onChange={(event) => void choose(event.currentTarget.files?.[0])} />
          </label>
        )}
        {lines.value.length > 0 && !told && (
          <p role="status">
            {lines.value.length.toLocaleString()} lines{bad > 0 && `, ${bad} of them cannot be read and will be left out`}.
          </p>
        )}
        {told && (
          <>
            <progress aria-label="Import" max={told.of} value={told.results.length} />
            <p class="tally" role="status">
              <span>
                <b class="tabular">{told.results.length.toLocaleString()}</b> of {told.of.toLocaleString()}
              </span>
              <span>
                <b class="tabular">{told.imported.toLocaleString()}</b> added
              </span>
              <span>
                <b class="tabular">{told.duplicates.toLocaleString()}</b> were there already
              </span>
              {told.held > 0 && (
                <span>
                  <b class="tabular">{told.held.toLocaleString()}</b> wait for a moderator
                </span>
              )}
              <span data-kind={told.failed > 0 ? "fault" : undefined}>
                <b class="tabular">{told.failed.toLocaleString()}</b> failed
              </span>
              <label class="check">
                <input type="checkbox" checked={onlyFailed.value} onChange={(event) => (onlyFailed.value = event.currentTarget.checked)} /> only failed
              </label>
            </p>
          </>
        )}
        {results.length > 0 && <Results results={seen} />}
        <footer>
          <button type="button" onClick={close}>
            {told?.done ? "Done" : "Cancel"}
          </button>
          {!told && (
            <button type="button" class="strong" disabled={lines.value.length === 0} onClick={() => void runImport(lines.value, (now) => (progress.value = now), stop.current.signal)}>
              Import
            </button>
          )}
        </footer>
      </div>
    </Dialog>
  );
}

const WORDS: Record<LineResult["outcome"], string> = { unsent: "", created: "added", duplicate: "was there already", held: "waits for a moderator", failed: "" };

function Results({ results }: { results: LineResult[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { items, height } = useVirtual(scroller, results.length, 28);
  return (
    <div class="lines" ref={scroller} tabIndex={0} role="region" aria-label="Result of each line">
      <ol style={{ height: `${height}px` }}>
        {items.map(({ index, start }) => {
          const result = results[index];
          if (!result) return null;
          const { line, outcome, reason } = result;
          return (
            <li key={line.number} data-outcome={outcome} style={{ transform: `translateY(${start}px)` }}>
              <span class="tabular quiet">{line.number}</span>
              <span class="line-text">{line.text}</span>
              <span class="line-outcome">{outcome === "failed" ? reason : WORDS[outcome]}</span>
            </li>
          );
        })}
      </ol>
    </div>
  );
}
