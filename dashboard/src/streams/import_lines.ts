// A file becomes lines, each with what it says or why it says nothing. CSV has a heading; JSONL has one object on each line.
import { parse } from "papaparse";

export interface ImportLine {
  /** As an editor counts them: from 1, the heading included. */
  number: number;
  /** What is shown of it. */
  text: string;
  body: Record<string, unknown> | null;
  fault: string;
}

export function readLines(name: string, text: string): ImportLine[] {
  const clean = text.replace(/^\uFEFF/, "");
  return /\.(jsonl|ndjson|json)$/i.test(name) || clean.trimStart().startsWith("{") ? fromJsonLines(clean) : fromCsv(clean);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fromJsonLines(text: string): ImportLine[] {
  return text.split(/\r?\n/).flatMap((line, index): ImportLine[] => {
    if (line.trim() === "") return [];
    const number = index + 1;
    try {
      const value: unknown = JSON.parse(line);
      if (!isObject(value)) return [{ number, text: line, body: null, fault: "This line is no object" }];
      // Recorded feeds keep what was posted under `body`.
      const body = isObject(value["body"]) ? value["body"] : value;
      return [{ number, text: String(body["link"] ?? body["url"] ?? line), body, fault: "" }];
    } catch {
      return [{ number, text: line, body: null, fault: "This line is no JSON" }];
    }
  });
}

function fromCsv(text: string): ImportLine[] {
  const { data, errors } = parse<string[]>(text, { skipEmptyLines: false });
  const [heading, ...rest] = data;
  if (!heading) return [];
  const names = heading.map((name) => name.trim().toLowerCase());
  const faults = new Map(errors.map((error) => [error.row, error.message]));
  return rest.flatMap((cells, index): ImportLine[] => {
    if (cells.every((cell) => cell.trim() === "")) return [];
    const number = index + 2;
    const broken = faults.get(index + 1) ?? (cells.length > names.length ? `This line has ${cells.length} cells, the heading ${names.length}` : "");
    if (broken) return [{ number, text: cells.join(", "), body: null, fault: broken }];
    const body: Record<string, unknown> = {};
    // An empty cell says nothing, which is not the same as saying that there is nothing.
    cells.forEach((cell, place) => {
      const column = names[place];
      if (column && column !== "id" && cell.trim()) body[column] = cell.trim();
    });
    return [{ number, text: String(body["link"] ?? body["url"] ?? cells.join(", ")), body, fault: "" }];
  });
}
