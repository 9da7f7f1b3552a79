// The system: what it is made of, how it does, what passes through it, and who did what.
import { useEffect } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "../design/system.css";
import { may } from "../session";
import { Audit } from "./audit";
import { watch } from "./feed";
import { HealthStrip } from "./health";
import { Plots } from "./plots";
import { Restarts } from "./restarts";
import { Topics } from "./topics";
import { TreeView } from "./tree";

export function SystemPage() {
  useEffect(watch, []);
  return (
    <section class="system">
      <HealthStrip />
      <Plots />
      <div class="system-columns">
        <TreeView />
        <div class="system-side">
          <Restarts />
          <Topics />
          {may("audit:read") && <Audit />}
        </div>
      </div>
    </section>
  );
}
