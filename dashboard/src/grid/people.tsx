// Who is in the grid, and who of them is idle.
import { me } from "../session";
import { people } from "./channel";

const SHOWN_MAX = 8;

export function People() {
  const all = people.value;
  return (
    <ul class="people" aria-label={`${all.length} in the grid`}>
      {all.slice(0, SHOWN_MAX).map((person) => (
        <li key={person.user_id} data-idle={person.inactive === true} title={`${person.user_name}${person.user_id === me.value?.id ? " (you)" : ""}${person.inactive ? ", idle" : ""}`}>
          <span class="avatar" style={{ backgroundColor: person.user_color }} aria-hidden="true">
            {person.user_name.slice(0, 2)}
          </span>
          <span class="heard-only">
            {person.user_name}
            {person.user_id === me.value?.id ? ", you" : ""}
            {person.inactive ? ", idle" : ""}
          </span>
        </li>
      ))}
      {all.length > SHOWN_MAX && <li class="more">+{all.length - SHOWN_MAX}</li>}
    </ul>
  );
}
