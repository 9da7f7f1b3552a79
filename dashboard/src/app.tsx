// The whole: the sign-in, or the shell around the page that the address names.
import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";
import { Problem, ask, sentenceOf } from "./api";
import { closeCable, openCable } from "./cable";
import { GridPage } from "./grid/page";
import { route } from "./route";
import { type Me, may, me, shownTheDoor, token } from "./session";
import { Shell } from "./shell/shell";
import { SignIn } from "./shell/sign_in";
import { StreamsPage } from "./streams/page";
import { openStore } from "./streams/store";
import { Toasts } from "./parts/toasts";

export function App() {
  const own = token.value;
  return (
    <>
      {own ? <SignedIn key={own} token={own} /> : <SignIn />}
      <Toasts />
    </>
  );
}

function SignedIn({ token: own }: { token: string }) {
  const fault = useSignal("");
  const tries = useSignal(0);
  useEffect(() => {
    let gone = false;
    fault.value = "";
    ask<Me>("/api/v1/users/me").then(
      (who) => !gone && (me.value = who),
      (error: unknown) => {
        if (gone || (error instanceof Problem && error.status === 401)) return;
        fault.value = sentenceOf(error);
      },
    );
    return () => (gone = true);
  }, [tries.value]);
  useEffect(() => {
    openCable(own);
    const leave = openStore();
    return () => {
      leave();
      closeCable();
    };
  }, []);
  if (!me.value) {
    return (
      <main class="waiting">
        {fault.value ? (
          <p role="alert">
            {fault.value}{" "}
            <button type="button" onClick={() => tries.value++}>
              Try again
            </button>{" "}
            <button type="button" class="plain" onClick={() => shownTheDoor("")}>
              Sign in anew
            </button>
          </p>
        ) : (
          <p>One moment…</p>
        )}
      </main>
    );
  }
  return (
    <Shell>
      <Page />
    </Shell>
  );
}

function Page() {
  switch (route.value.page) {
    case "streams":
      return <StreamsPage />;
    case "grid":
      return <GridPage />;
    case "system":
      return may("system:read") ? <Later /> : <NotForYou />;
    default:
      return (
        <p class="empty">
          There is nothing at this address. <a href="#/streams">To the streams</a>
        </p>
      );
  }
}

function NotForYou() {
  return <p class="empty">The system is shown to administrators, managers and developers.</p>;
}

const later: { page: FunctionComponent | null } = { page: null };

/** The system's page comes when it is asked for: it brings its plots along. */
function Later() {
  const page = useSignal<FunctionComponent | null>(later.page);
  const fault = useSignal("");
  useEffect(() => {
    if (later.page) return;
    import("./system/page").then(
      ({ SystemPage }) => (page.value = later.page = SystemPage),
      (error: unknown) => (fault.value = sentenceOf(error)),
    );
  }, []);
  if (fault.value) return <p class="empty" role="alert">This page could not be loaded: {fault.value}</p>;
  const Found = page.value;
  return Found ? <Found /> : <p class="empty">One moment…</p>;
}
