// One live plot. uPlot draws on a canvas; the newest value stands beside the title for those who cannot see it.
import { useEffect, useRef } from "preact/hooks";
import { effect } from "@preact/signals";
import uPlot from "uplot";
import { beat } from "./feed";
import type { Samples } from "./samples";

interface Props {
  title: string;
  samples: Samples;
  spell: (value: number) => string;
  /** Its axis has whole numbers only. */
  whole?: boolean;
}

const WHOLE = [1, 2, 5].flatMap((step) => Array.from({ length: 8 }, (_, power) => step * 10 ** power)).sort((a, b) => a - b);

const HEIGHT = 120;
const dark = matchMedia("(prefers-color-scheme: dark)");

function ink(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options({ samples, spell, whole }: Props, width: number): uPlot.Options {
  const axis = { stroke: ink("--quiet"), grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 18, 0, 0],
    scales: { y: { range: (_, __, most) => [0, Math.max(1, (most ?? 0) * 1.15)] } },
    axes: [
      { ...axis, space: 70, size: 22, values: [[1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 0]] },
      { ...axis, size: 52, space: 28, ...(whole && { incrs: WHOLE }), values: (_, values) => values.map(spell) },
    ],
    series: [{}, ...samples.names.map((label, index) => ({ label, stroke: ink(`--series-${(index % 6) + 1}`), width: 1.5, points: { show: false }, fill: index === 0 ? ink("--series-fill") : "transparent" }))],
  };
}

export function Plot(props: Props) {
  const { title, samples, spell } = props;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    let plot: uPlot | null = null;
    let names = "";
    const anew = () => {
      plot?.destroy();
      plot = null;
      names = "";
    };
    const draw = () => {
      const wanted = samples.names.join();
      if (wanted !== names) anew();
      if (!wanted) return;
      if (plot) return plot.setData(samples.data);
      names = wanted;
      plot = new uPlot(options(props, element.clientWidth), samples.data, element);
    };
    const stop = effect(() => {
      void beat.value;
      draw();
    });
    const watcher = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: HEIGHT }));
    watcher.observe(element);
    const turn = () => (anew(), draw());
    dark.addEventListener("change", turn);
    return () => {
      dark.removeEventListener("change", turn);
      watcher.disconnect();
      stop();
      anew();
    };
  }, []);
  void beat.value;
  const latest = samples.latest;
  return (
    <figure class="plot panel">
      <figcaption>
        <span>{title}</span>
        <output class="tabular">{latest === null ? "–" : spell(latest)}</output>
      </figcaption>
      <div ref={place} class="plot-place" aria-hidden="true" />
      {samples.names.length > 1 && (
        <ul class="legend">
          {samples.names.map((name, index) => (
            <li key={name} data-series={(index % 6) + 1}>
              {name}
            </li>
          ))}
        </ul>
      )}
    </figure>
  );
}
