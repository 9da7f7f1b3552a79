// Sends lines in portions, so that there is a progress to see, and says of each line what became of it.
import { Problem, askPatiently, sentenceOf } from "../api";
import type { ImportLine } from "./import_lines";

const PORTION = 50;

export type Outcome = "unsent" | "created" | "duplicate" | "held" | "failed";

export interface LineResult {
  line: ImportLine;
  outcome: Outcome;
  reason: string;
}

export interface Progress {
  results: LineResult[];
  imported: number;
  duplicates: number;
  held: number;
  failed: number;
  of: number;
  done: boolean;
}

interface Answer {
  imported: number;
  duplicates: number;
  failed: number;
  held: number;
  results: Outcome[];
  errors: { index: number; errors: string[] }[];
}

export async function runImport(lines: ImportLine[], tell: (progress: Progress) => void, stop: AbortSignal): Promise<void> {
  const progress: Progress = { results: [], imported: 0, duplicates: 0, held: 0, failed: 0, of: lines.length, done: false };
  for (let start = 0; start < lines.length && !stop.aborted; start += PORTION) {
    const portion = lines.slice(start, start + PORTION);
    const whole = portion.filter((line) => line.body !== null);
    const outcomes = new Map<ImportLine, Outcome>();
    const reasons = new Map(portion.filter((line) => line.body === null).map((line) => [line, line.fault]));
    if (whole.length > 0) await send(whole, outcomes, reasons, progress, stop);
    for (const line of portion) {
      const reason = reasons.get(line);
      progress.results.push({ line, outcome: reason === undefined ? (outcomes.get(line) ?? "unsent") : "failed", reason: reason ?? "" });
    }
    progress.failed += reasons.size;
    tell({ ...progress });
  }
  tell({ ...progress, done: true });
}

async function send(whole: ImportLine[], outcomes: Map<ImportLine, Outcome>, reasons: Map<ImportLine, string>, progress: Progress, stop: AbortSignal): Promise<void> {
  try {
    const answer = await askPatiently<Answer>("/api/v1/streams/bulk_import", { method: "POST", body: { streams: whole.map((line) => line.body) }, signal: stop });
    progress.imported += answer.imported;
    progress.duplicates += answer.duplicates;
    progress.held += answer.held;
    whole.forEach((line, index) => outcomes.set(line, answer.results[index] ?? "unsent"));
    for (const { index, errors } of answer.errors) {
      const line = whole[index];
      if (line) reasons.set(line, errors.join("; "));
    }
  } catch (error) {
    if (stop.aborted) return;
    // Sending a portion again is harmless: what was added is a duplicate then.
    const reason = error instanceof Problem && error.status === 0 ? "The hub could not be reached; this line may be imported again" : sentenceOf(error);
    for (const line of whole) reasons.set(line, reason);
  }
}
