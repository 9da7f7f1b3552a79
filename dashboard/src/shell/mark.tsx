// The hub's sign: one line comes in, three go out.

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M6 16h8m4 0h8M14 16l4-6m-4 6 4 6" />
      <circle cx="6.5" cy="16" r="2.2" />
      <circle cx="19.5" cy="8.5" r="2.2" />
      <circle cx="25.5" cy="16" r="2.2" />
      <circle cx="19.5" cy="23.5" r="2.2" />
    </svg>
  );
}
