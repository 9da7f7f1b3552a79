// The frames of one topic as they pass: `{"channel":"SystemChannel","tap":…}` tells each as `{"action":"frame","topic":…,"message":…}`.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { follow, tap } from "../cable";
import { clock } from "../time";

interface Frame {
  action: string;
  message?: unknown;
}

const KEPT = 100;

export function Tap({ topic, close }: { topic: string; close: () => void }) {
  const frames = useSignal<{ number: number; at: number; text: string }[]>([]);
  const word = useSignal("Listening…");
  const paused = useSignal(false);
  useEffect(() => {
    let number = 0;
    const channel = tap<Frame>("SystemChannel", topic);
    channel.on("message", (frame) => {
      if (frame.action !== "frame" || paused.value) return;
      const text = typeof frame.message === "string" ? frame.message : JSON.stringify(frame.message);
      frames.value = [{ number: ++number, at: Date.now(), text }, ...frames.value].slice(0, KEPT);
    });
    channel.on("close", () => (word.value = "This hub does not let this topic be tapped."));
    return follow(channel);
  }, []);
  return (
    <div class="tap">
      <header>
        <span>
          Tap on <code>{topic}</code>
        </span>
        <button type="button" class="toggle" aria-pressed={paused.value} onClick={() => (paused.value = !paused.value)}>
          Pause
        </button>
        <button type="button" onClick={close}>
          Close
        </button>
      </header>
      {frames.value.length === 0 && (
        <p class="quiet" role="status">
          {word.value}
        </p>
      )}
      <ol tabIndex={0} aria-label={`Frames of ${topic}`}>
        {frames.value.map(({ number, at, text }) => (
          <li key={number}>
            <time class="quiet tabular">{clock(at)}</time> <code>{text}</code>
          </li>
        ))}
      </ol>
    </div>
  );
}
