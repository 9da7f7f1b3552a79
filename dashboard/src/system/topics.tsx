// The topics, by how many listen; and a tap on one of them, which shows its frames as they pass.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Problem, ask, sentenceOf } from "../api";
import { Icon } from "../parts/icon";
import { Tap } from "./tap";
import type { Topics as Told } from "./told";

const ASK_EVERY_MS = 3000;

export function Topics() {
  const topics = useSignal<Told | null>(null);
  const fault = useSignal("");
  const tapped = useSignal<string | null>(null);
  useEffect(() => {
    const look = async () => {
      try {
        topics.value = await ask<Told>("/api/v1/system/topics?limit=200");
        fault.value = "";
      } catch (error) {
        const missing = error instanceof Problem && error.status === 404;
        fault.value = missing ? "This hub has no /api/v1/system/topics (404)." : sentenceOf(error);
        // What is not there now will not come before the hub is another one.
        if (missing) clearInterval(timer);
      }
    };
    const timer = setInterval(() => void look(), ASK_EVERY_MS);
    void look();
    return () => clearInterval(timer);
  }, []);
  const list = [...(topics.value?.data ?? [])].sort((a, b) => b.subscriptions - a.subscriptions || a.topic.localeCompare(b.topic));
  return (
    <section class="panel" aria-labelledby="topics-title">
      <header>
        <h2 id="topics-title">Topics</h2>
        {topics.value && <span class="quiet tabular">{topics.value.total.toLocaleString()}</span>}
      </header>
      {fault.value && <p class="quiet">{fault.value}</p>}
      {list.length > 0 && (
        <ul class="topics" tabIndex={0} aria-label="Topics">
          {list.map(({ topic, subscriptions }) => (
            <li key={topic}>
              <code>{topic}</code>
              <span class="tabular" title="Subscriptions">
                {subscriptions.toLocaleString()}
              </span>
              <button type="button" class="icon-button" aria-pressed={tapped.value === topic} aria-label={`Tap ${topic}`} title="Tap" onClick={() => (tapped.value = tapped.value === topic ? null : topic)}>
                <Icon name="tap" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {topics.value && list.length === 0 && <p class="quiet">Nobody listens to anything.</p>}
      {tapped.value && <Tap key={tapped.value} topic={tapped.value} close={() => (tapped.value = null)} />}
    </section>
  );
}
