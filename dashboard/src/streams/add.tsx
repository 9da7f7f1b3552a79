// Adds one stream. What the hub derives from the link (platform, source) need not be filled in.
import { useSignal } from "@preact/signals";
import { ask, sentenceOf } from "../api";
import { Dialog } from "../parts/dialog";
import { say } from "../parts/toasts";
import { type Row, STATUSES, nameOf } from "./row";
import { take } from "./store";

const FIELDS = ["title", "source", "city", "state", "notes"] as const;

export function AddDialog({ close }: { close: () => void }) {
  const fault = useSignal("");
  const busy = useSignal(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const body: Record<string, string> = {};
    for (const [name, value] of form) if (typeof value === "string" && value.trim()) body[name] = value.trim();
    busy.value = true;
    fault.value = "";
    try {
      const row = await ask<Row & { duplicate?: boolean; case_id?: string }>("/api/v1/streams", { method: "POST", body });
      if (row.case_id) say("It waits for a moderator.");
      else {
        take(row);
        say(row.duplicate ? `${nameOf(row)} was there already.` : `${nameOf(row)} was added.`);
      }
      close();
    } catch (error) {
      fault.value = sentenceOf(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <Dialog title="Add a stream" close={close}>
      <form class="form" onSubmit={(event) => void submit(event)}>
        {fault.value && (
          <p class="notice" data-kind="fault" role="alert">
            {fault.value}
          </p>
        )}
        <label class="across">
          Link
          <input name="link" type="url" required placeholder="https://www.twitch.tv/…" autofocus />
        </label>
        {FIELDS.map((name) => (
          <label key={name} class={name === "notes" || name === "title" ? "across" : ""}>
            {name}
            <input name={name} />
          </label>
        ))}
        <label>
          status
          <select name="status">
            <option value="">not known yet</option>
            {STATUSES.map((status) => (
              <option key={status}>{status}</option>
            ))}
          </select>
        </label>
        <footer>
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class="strong" disabled={busy.value}>
            Add
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
