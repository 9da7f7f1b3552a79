// The sign-in; in a demo, one press on an account is enough.
import { useSignal } from "@preact/signals";
import { ask, sentenceOf } from "../api";
import { farewell, keepToken } from "../session";
import { about } from "./about";
import { Mark } from "./mark";

const SAYS: Record<string, string> = {
  admin: "sees and may do everything",
  ana: "edits the grid",
  ben: "edits the grid",
  monitor: "a bot that posts",
};

export function SignIn() {
  const email = useSignal("");
  const password = useSignal("");
  const fault = useSignal("");
  const busy = useSignal(false);
  const enter = async (who: string, secret: string) => {
    busy.value = true;
    fault.value = "";
    farewell.value = "";
    try {
      const { token } = await ask<{ token: string }>("/api/v1/login", { method: "POST", body: { email: who, password: secret } });
      keepToken(token);
    } catch (error) {
      fault.value = sentenceOf(error);
    } finally {
      busy.value = false;
    }
  };
  const submit = (event: Event) => {
    event.preventDefault();
    void enter(email.value, password.value);
  };
  const { demo_accounts: accounts, version } = about.value;
  return (
    <main class="sign-in">
      <div class="sign-in-card">
        <h1>
          <Mark /> Trunkline
        </h1>
        <p class="quiet">Streams as they happen, edited together.</p>
        {farewell.value && (
          <p class="notice" role="status">
            {farewell.value}
          </p>
        )}
        {fault.value && (
          <p class="notice" data-kind="fault" role="alert">
            {fault.value}
          </p>
        )}
        <form onSubmit={submit}>
          <label>
            E-mail
            <input type="email" name="email" autocomplete="username" required value={email.value} onInput={(event) => (email.value = event.currentTarget.value)} />
          </label>
          <label>
            Password
            <input type="password" name="password" autocomplete="current-password" required value={password.value} onInput={(event) => (password.value = event.currentTarget.value)} />
          </label>
          <button type="submit" class="strong" disabled={busy.value}>
            Sign in
          </button>
        </form>
        {accounts.length > 0 && (
          <section class="demo" aria-labelledby="demo-title">
            <h2 id="demo-title">This is a demo. Come in as</h2>
            <ul>
              {accounts.map((account) => (
                <li key={account.email}>
                  <button type="button" disabled={busy.value} onClick={() => void enter(account.email, account.password)}>
                    <span>{account.email}</span>
                    <span class="quiet">{SAYS[account.email.split("@")[0] ?? ""] ?? ""}</span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
      <footer class="quiet">
        <a href="/docs">The API</a>{version && ` · Version ${version}`}
      </footer>
    </main>
  );
}
