// Who keeps whom: the supervisors and their actors, and what crashed of each. A tree for the keyboard and the screen reader too.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Problem, ask, sentenceOf } from "../api";
import { Icon } from "../parts/icon";
import { ago, exactly } from "../time";
import { tree } from "./feed";
import type { Actor, Restarted, Supervisor, Tree } from "./told";

const SHOWN_MAX = 50;

export function TreeView() {
  const fault = useSignal("");
  useEffect(() => {
    // The channel tells once a second; until then, and where the cable is away, this is asked.
    ask<Tree>("/api/v1/system/tree").then(
      (said) => (tree.value ??= said),
      (error: unknown) => (fault.value = error instanceof Problem && error.status === 404 ? "This hub has no /api/v1/system/tree (404)." : sentenceOf(error)),
    );
  }, []);
  const seen = tree.value;
  return (
    <section class="panel" aria-labelledby="tree-title">
      <header>
        <h2 id="tree-title">Supervision</h2>
        {seen && <span class="quiet tabular">{count(seen)} actors awake</span>}
      </header>
      {!seen && <p class="quiet">{fault.value || "Waiting for the hub…"}</p>}
      {seen?.failed && (
        <p class="notice" data-kind="fault" role="alert">
          The hub has failed: {seen.failed}
        </p>
      )}
      {seen && (
        <ul class="tree" aria-label="Supervision tree">
          <Root tree={seen} />
        </ul>
      )}
    </section>
  );
}

function count({ supervisors }: Tree): string {
  return supervisors.reduce((sum, { awake }) => sum + awake, 0).toLocaleString();
}

/** The root keeps every other supervisor; how each of them is, the root tells. */
function Root({ tree: { supervisors, history } }: { tree: Tree }) {
  const root = supervisors.find(({ kind }) => kind === "root");
  const kept = supervisors.filter((supervisor) => supervisor !== root);
  return (
    <li>
      <p class="branch">
        <span class="dot" data-state="awake" aria-hidden="true" />
        <b>root</b>
        <span class="quiet tabular">keeps {kept.length}</span>
      </p>
      <ul>
        {kept.map((supervisor) => (
          <Branch key={supervisor.kind} supervisor={supervisor} self={root?.children.find(({ id }) => id === supervisor.kind)} history={history} />
        ))}
      </ul>
    </li>
  );
}

function Branch({ supervisor, self, history }: { supervisor: Supervisor; self: Actor | undefined; history: Restarted[] }) {
  const { kind, awake, children } = supervisor;
  const open = useSignal(false);
  const restarts = history.filter((restarted) => restarted.kind === kind).length;
  const waiting = children.reduce((sum, child) => sum + child.mailbox, 0);
  const ill = children.filter((child) => child.state !== "awake" && child.state !== "asleep").length;
  return (
    <li>
      <button type="button" class="branch" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <Icon name={open.value ? "down" : "right"} />
        {self && <span class="dot" data-state={self.state} title={inWords(self)} aria-hidden="true" />}
        <b>{kind}</b>
        <span class="quiet tabular">{awake.toLocaleString()} awake</span>
        {waiting > 0 && <span class="quiet tabular">{waiting.toLocaleString()} waiting</span>}
        {ill > 0 && <span class="tag" data-kind="bad">{ill} not well</span>}
        {restarts > 0 && <span class="tag tabular">{restarts} restarted</span>}
      </button>
      {open.value && (
        <ul>
          {children.slice(0, SHOWN_MAX).map((child) => (
            <Leaf key={child.id} actor={child} />
          ))}
          {awake > Math.min(children.length, SHOWN_MAX) && <li class="quiet leaf">and {(awake - Math.min(children.length, SHOWN_MAX)).toLocaleString()} more that are well</li>}
          {children.length === 0 && awake === 0 && <li class="quiet leaf">Nobody is awake: each wakes when it is asked.</li>}
        </ul>
      )}
    </li>
  );
}

function Leaf({ actor }: { actor: Actor }) {
  const last = actor.restarts.at(-1);
  return (
    <li class="leaf">
      <span class="dot" data-state={actor.state} aria-hidden="true" />
      <span class="leaf-id">{actor.id}</span>
      <span class="quiet">{inWords(actor)}</span>
      <span class="quiet tabular" title="Commands that wait">
        mailbox {actor.mailbox}
      </span>
      {last && (
        <span class="leaf-cause" title={exactly(last.at)}>
          {actor.restarts.length}× · {ago(last.at)} · {last.cause}
        </span>
      )}
    </li>
  );
}

function inWords({ state, for_ms }: Actor): string {
  const seconds = Math.ceil((for_ms ?? 0) / 1000);
  if (state === "backing_off") return `comes back in ${seconds} s`;
  return state === "quarantined" ? `rests for ${seconds} s` : state;
}
