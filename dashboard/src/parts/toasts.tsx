// Short words at the edge of the screen, read out by screen readers and gone after a while.
import { signal } from "@preact/signals";
import { Icon } from "./icon";

interface Said {
  id: number;
  text: string;
  kind: "word" | "fault";
  action: { label: string; act: () => void } | null;
}

const said = signal<Said[]>([]);
let next = 0;

export function say(text: string, kind: Said["kind"] = "word", action: Said["action"] = null): void {
  const id = ++next;
  said.value = [...said.value.slice(-3), { id, text, kind, action }];
  setTimeout(() => unsay(id), kind === "fault" ? 9000 : 4500);
}

function unsay(id: number): void {
  said.value = said.value.filter((one) => one.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {said.value.map(({ id, text, kind, action }) => (
        <div key={id} class="toast" data-kind={kind}>
          <span>{text}</span>
          {action && (
            <button type="button" class="plain" onClick={() => (action.act(), unsay(id))}>
              {action.label}
            </button>
          )}
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => unsay(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
