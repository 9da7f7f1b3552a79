// What surrounds every page: where one is, where one may go, how the connection is, who one is.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ask } from "../api";
import { route } from "../route";
import { may, me, shownTheDoor } from "../session";
import { Icon, type IconName } from "../parts/icon";
import { Lamp } from "./lamp";
import { Mark } from "./mark";
import { MissedBar } from "./missed_bar";

const PAGES: { page: string; label: string; icon: IconName; needs: string }[] = [
  { page: "streams", label: "Streams", icon: "streams", needs: "streams:read" },
  { page: "grid", label: "Grid", icon: "grid", needs: "streams:read" },
  { page: "system", label: "System", icon: "system", needs: "system:read" },
];

export function Shell({ children }: { children: ComponentChildren }) {
  const { page } = route.value;
  const title = PAGES.find((known) => known.page === page)?.label ?? "Nothing here";
  useEffect(() => {
    document.title = `${title} · Trunkline`;
  }, [title]);
  return (
    <div class="shell">
      <a class="skip" href="#content" onClick={(event) => (event.preventDefault(), document.getElementById("content")?.focus())}>
        To the content
      </a>
      <header class="top">
        <a class="brand" href="#/streams" aria-label="Trunkline">
          <Mark /> <span>Trunkline</span>
        </a>
        <nav aria-label="Pages">
          {PAGES.filter(({ needs }) => may(needs)).map(({ page: name, label, icon }) => (
            <a key={name} href={`#/${name}`} aria-current={page === name ? "page" : undefined}>
              <Icon name={icon} /> {label}
            </a>
          ))}
        </nav>
        <Lamp />
        <Who />
      </header>
      <MissedBar />
      <main id="content" tabIndex={-1} aria-label={title}>
        <h1 class="heard-only">{title}</h1>
        {children}
      </main>
    </div>
  );
}

function Who() {
  const who = me.value;
  if (!who) return null;
  const leave = () => {
    // Whether the hub hears of it or not, this tab forgets the token.
    ask("/api/v1/logout", { method: "DELETE" }).catch(() => {});
    shownTheDoor("");
  };
  return (
    <div class="who">
      <span class="who-name" title={who.email}>
        {who.display_name} <span class="quiet">{who.role}</span>
      </span>
      <a class="icon-button" href="/docs" aria-label="The API" title="The API">
        <Icon name="book" />
      </a>
      <button type="button" class="icon-button" aria-label="Sign out" title="Sign out" onClick={leave}>
        <Icon name="signout" />
      </button>
    </div>
  );
}
