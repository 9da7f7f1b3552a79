// A panel beside the page, over it on a phone. Escape closes it.
import type { ComponentChildren } from "preact";
import { Icon } from "./icon";

export function SidePanel({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  return (
    <aside class="side-panel" aria-label={title} onKeyDown={(event) => event.key === "Escape" && close()}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </aside>
  );
}
