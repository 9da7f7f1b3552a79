// Every icon of the pages: drawn here, on a 16 by 16 grid, so that nothing is fetched.

const PATHS = {
  streams: "M2 4h12M2 8h12M2 12h8",
  grid: "M2.5 2.5h11v11h-11zM2.5 6.5h11M2.5 10h11M6.5 6.5v7M10 6.5v7",
  system: "M8 2v4M8 6H3.5v3M8 6h4.5v3M2 9.5h3v3H2zM11 9.5h3v3h-3zM6.5 9.5h3v3h-3zM8 6v3.5",
  pin: "M9.5 2 14 6.5l-2.5.7-2.6 2.6.2 2.6-1 1L2.6 8l1-1 2.6.2 2.6-2.6zM5.2 10.8 2 14",
  archive: "M2 3h12v3H2zM3 6v7.5h10V6M6.5 9h3",
  restore: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.4 10.4 14 14",
  upload: "M8 11V3M4.5 6 8 2.5 11.5 6M2.5 11v2.5h11V11",
  download: "M8 2.5V11M4.5 7.5 8 11l3.5-3.5M2.5 11.5v2h11v-2",
  table: "M2 3h12v10H2zM2 6.5h12M2 9.8h12",
  wall: "M2 2.5h5v5H2zM9 2.5h5v5H9zM2 9h5v4.5H2zM9 9h5v4.5H9z",
  history: "M8 4.5V8l2.5 1.5M2.5 8A5.5 5.5 0 1 0 4 4.2M2.5 2.5v3h3",
  undo: "M6 3 2.5 6.5 6 10M3 6.5h6a4 4 0 0 1 0 7.5H7",
  up: "M4 10l4-4 4 4",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  book: "M8 4.2C6.5 2.9 4.5 2.5 2.5 2.5v10c2 0 4 .4 5.5 1.7 1.5-1.3 3.5-1.7 5.5-1.7v-10c-2 0-4 .4-5.5 1.7zM8 4.2v10",
  signout: "M6.5 2.5h-4v11h4M10 5l3 3-3 3M13 8H6",
  tap: "M2 8h2.5l2-5 3 10 2-5H14",
  check: "M3 8.5 6.5 12 13 4.5",
  warning: "M8 2 14.5 13.5h-13zM8 6.5v3M8 11.4v.2",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
