// The field inside the edited cell, and the word beneath it when something is not as one would think.
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Editing, finish, type } from "./editing";
import { CHOICES, LABELS } from "./fields";

export function CellEditor({ now }: { now: Editing }) {
  const input = useRef<HTMLInputElement>(null);
  const select = useRef<HTMLSelectElement>(null);
  const { field } = now.cell;
  const choices = CHOICES[field];
  useLayoutEffect(() => {
    const element = input.current ?? select.current;
    element?.focus({ preventScroll: true });
    // Typing began it: the cursor stands behind what was typed. Otherwise everything is selected, ready to be replaced.
    if (input.current && now.draft === now.base) input.current.select();
    else input.current?.setSelectionRange(now.draft.length, now.draft.length);
  }, []);
  const label = `${LABELS[field]} of stream ${now.cell.id}`;
  return (
    <span class="editor" data-phase={now.phase}>
      {choices ? (
        <select ref={select} aria-label={label} value={now.draft} onChange={(event) => type(event.currentTarget.value)} onBlur={finish}>
          {choices.includes(now.draft) ? null : <option value={now.draft}>{now.draft}</option>}
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice || "–"}
            </option>
          ))}
        </select>
      ) : (
        <input ref={input} aria-label={label} autocomplete="off" value={now.draft} onInput={(event) => type(event.currentTarget.value)} onBlur={finish} />
      )}
      {now.word && (
        <span class="editor-word" role="alert">
          {now.word}
        </span>
      )}
    </span>
  );
}
