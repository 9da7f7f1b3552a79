// Asks the hub over HTTP as the signed-in user. Every answer that is not a success becomes a Problem with the hub's own sentence.
import { shownTheDoor, token } from "./session";

/** What the hub said no with: its status, its stable code, its sentence for a person. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    sentence: string,
    readonly retryAfterSeconds: number | null,
  ) {
    super(sentence);
  }
}

interface ProblemDocument {
  error?: string;
  detail?: string;
  code?: string;
}

export interface Asked {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
}

async function send(path: string, asked: Asked): Promise<Response> {
  const headers = new Headers({ accept: "application/json" });
  if (token.value) headers.set("authorization", `Bearer ${token.value}`);
  const request: RequestInit = { method: asked.method ?? "GET", headers, signal: asked.signal ?? null };
  if (asked.body !== undefined) {
    headers.set("content-type", "application/json");
    request.body = JSON.stringify(asked.body);
  }
  let response: Response;
  try {
    response = await fetch(path, request);
  } catch (error) {
    if (asked.signal?.aborted) throw error;
    throw new Problem(0, "UNREACHABLE", "The hub cannot be reached just now.", null);
  }
  if (response.ok) return response;
  const document = await readProblem(response);
  if (response.status === 401 && token.value) shownTheDoor("You have been signed out. Please sign in again.");
  const wait = Number(response.headers.get("retry-after"));
  const sentence = document.error ?? document.detail ?? `The hub answered ${response.status}.`;
  throw new Problem(response.status, document.code ?? "", sentence, Number.isFinite(wait) && wait > 0 ? wait : null);
}

async function readProblem(response: Response): Promise<ProblemDocument> {
  try {
    return (await response.json()) as ProblemDocument;
  } catch {
    return {};
  }
}

/** Asks and reads the JSON of the answer; `T` is what the caller knows the address to tell. */
export async function ask<T>(path: string, asked: Asked = {}): Promise<T> {
  const response = await send(path, asked);
  return (response.status === 204 ? null : await response.json()) as T;
}

/** The same, patiently: where the hub says "too many", waits as long as it says and asks again. */
export function askPatiently<T>(path: string, asked: Asked = {}): Promise<T> {
  return patiently(() => ask<T>(path, asked));
}

async function patiently<T>(once: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 429 || attempt >= 5) throw error;
      await new Promise((done) => setTimeout(done, (error.retryAfterSeconds ?? 5) * 1000));
    }
  }
}

/** Asks for lines of JSON and hands them on as they come, with how many there will be. Fails where the last one is missing. */
export async function askForLines<T>(path: string, take: (lines: T[], total: number) => void, signal: AbortSignal): Promise<void> {
  const response = await patiently(() => send(path, { signal }));
  const total = Number(response.headers.get("x-total-count"));
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let read = 0;
  for (;;) {
    const portion = await reader?.read().catch(() => null);
    if (signal.aborted) return;
    if (!portion || portion.done) break;
    const lines = (rest + portion.value).split("\n");
    rest = lines.pop() ?? "";
    read += lines.length;
    take(lines.map((line) => JSON.parse(line) as T), total);
  }
  if (read < total || rest) throw new Problem(0, "CUT_SHORT", "The hub broke off in the middle.", null);
  if (total === 0) take([], 0);
}

/** Asks for a file and hands it to the browser to keep. */
export async function download(path: string, name: string): Promise<void> {
  const response = await send(path, {});
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
