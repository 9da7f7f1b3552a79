// What the hub says of itself before anybody signs in.
import { signal } from "@preact/signals";
import { ask } from "../api";

interface About {
  version: string;
  demo_accounts: { email: string; password: string }[];
}

export const about = signal<About>({ version: "", demo_accounts: [] });

ask<About>("/page/about.json").then(
  (said) => (about.value = said),
  // Without it the page has no version to show and no demo accounts to offer; signing in says what is wrong.
  () => {},
);
