// The last minutes of one figure, line by line, ready for a plot. A counter becomes a rate per second; a counter that starts anew (the hub
// was restarted) is a gap, not a fall.
import type { Reading } from "./told";

const KEPT = 300;

export class Samples {
  private times: number[] = [];
  private lines = new Map<string, (number | null)[]>();
  private last: { at: number; value: Reading } | null = null;

  constructor(private readonly kind: "level" | "rate") {}

  add(at: number, value: Reading): void {
    const before = this.last;
    this.last = { at, value };
    if (this.kind === "rate") {
      if (!before || at <= before.at) return;
      const seconds = (at - before.at) / 1000;
      const rates = Object.entries(value).map(([name, now]): [string, number | null] => {
        const then = before.value[name];
        return [name, then === undefined || now < then ? null : (now - then) / seconds];
      });
      return this.push(at, Object.fromEntries(rates));
    }
    this.push(at, value);
  }

  private push(at: number, value: Record<string, number | null>): void {
    this.times.push(at / 1000);
    for (const name of Object.keys(value)) if (!this.lines.has(name)) this.lines.set(name, Array<number | null>(this.times.length - 1).fill(null));
    for (const [name, line] of this.lines) line.push(value[name] ?? null);
    if (this.times.length > KEPT) {
      this.times.shift();
      for (const line of this.lines.values()) line.shift();
    }
  }

  clear(): void {
    this.times = [];
    this.lines.clear();
    this.last = null;
  }

  get names(): string[] {
    return [...this.lines.keys()];
  }

  get data(): [number[], ...(number | null)[][]] {
    return [this.times, ...this.lines.values()];
  }

  /** The newest value of the first line. */
  get latest(): number | null {
    const [first] = this.lines.values();
    return first?.at(-1) ?? null;
  }
}
