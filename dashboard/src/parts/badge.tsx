// A status as one sees it from afar: a shape, a colour and the word.

export function Badge({ status }: { status: string }) {
  return (
    <span class="badge" data-status={status}>
      {status}
    </span>
  );
}
