// What the hub tells of itself: SystemChannel, `/api/v1/system/*`, `/health/detailed`, `/api/v1/audit`. Only what the page reads is named.

export interface Restarted {
  kind: string;
  id: string;
  cause: string;
  at: string;
}

export interface Actor {
  id: string;
  state: "awake" | "asleep" | "backing_off" | "quarantined";
  /** How long it stays like that, where it is not for ever. */
  for_ms?: number;
  mailbox: number;
  restarts: Restarted[];
}

export interface Supervisor {
  kind: string;
  awake: number;
  children: Actor[];
}

export interface Tree {
  failed: string | null;
  restarts: number;
  supervisors: Supervisor[];
  history: Restarted[];
}

/** What one core of the edge counts; all but `connections` since the start. */
export interface Core {
  core: number;
  connections: number;
  deliveries: number;
  slow: number;
}

export interface Told {
  action: "system";
  at: string;
  tree: Tree;
  append_latency: { p50_us: number | null; p99_us: number | null; max_us: number | null };
  figures: { connections?: { cores: Core[] } };
}

/** `GET /api/v1/system/topics`. */
export interface Topics {
  data: { topic: string; subscriptions: number }[];
  total: number;
}

/** `GET /health/detailed`. */
export interface Health {
  status: string;
  version: string;
  dependencies: Record<string, string>;
  journal?: { epoch: string; head: number; appended: number; barriers: number; queued: number; last_batch_us: number; disk_bytes: number | null };
  cables?: { connections: number; accepted: number; refused: number; deliveries: number; slow: number };
}

/** `GET /api/v1/audit`. */
export interface AuditEntry {
  id: number;
  at: string;
  actor: { id: number | null; name: string | null };
  action: string;
  subject: string | null;
  detail: string | null;
  address: string | null;
}

/** One value by the name of its line: a core, or a quantile. */
export type Reading = Record<string, number>;

/** The node as a whole first, then each of its cores. */
export function byCore(cores: Core[], count: (core: Core) => number): Reading {
  const node = cores.reduce((sum, core) => sum + count(core), 0);
  return Object.fromEntries([["this node", node], ...cores.map((core) => [`core ${core.core}`, count(core)])]);
}
