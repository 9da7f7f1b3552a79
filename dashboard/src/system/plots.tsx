// The four figures that say most, as they move.
import { series } from "./feed";
import { Plot } from "./plot";

const count = (value: number) => (value >= 100 ? Math.round(value).toLocaleString() : value.toFixed(value % 1 === 0 ? 0 : 1));
const span = (us: number) => (us >= 1_000_000 ? `${us / 1_000_000} s` : us >= 1000 ? `${(us / 1000).toFixed(us >= 10_000 ? 0 : 1)} ms` : `${Math.round(us)} µs`);

export function Plots() {
  return (
    <div class="plots">
      <Plot whole title="Connections" samples={series.connections} spell={count} />
      <Plot whole title="Deliveries per second" samples={series.deliveries} spell={count} />
      <Plot title="Append latency" samples={series.append} spell={span} />
      <Plot whole title="Slow readers per second" samples={series.slow} spell={count} />
    </div>
  );
}
