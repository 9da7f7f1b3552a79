// What happened while nobody listened, counted by row: a stream that changed ten times changed.

type Kind = "added" | "changed" | "removed";

export interface Missed {
  since: number;
  until: number;
  added: number;
  changed: number;
  removed: number;
}

export class Tally {
  private readonly kinds = new Map<number, Kind>();
  constructor(private readonly since: number) {}

  count(id: number, kind: Kind): void {
    const known = this.kinds.get(id);
    if (known === "added" && kind === "changed") return;
    this.kinds.set(id, kind);
  }

  told(): Missed {
    const of = (wanted: Kind) => [...this.kinds.values()].filter((kind) => kind === wanted).length;
    return { since: this.since, until: Date.now(), added: of("added"), changed: of("changed"), removed: of("removed") };
  }
}

export function inWords({ added, changed, removed }: Missed): string {
  const parts = [added && `${added} new`, changed && `${changed} changed`, removed && `${removed} gone`].filter(Boolean);
  return parts.length ? parts.join(", ") : "nothing happened meanwhile";
}
