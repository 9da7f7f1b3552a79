// Collaborative editors: lock, refuse, edit, unlock, vanish and come back; a lost race never kills a subscription.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Hub, people, sleep, toml, until } from "./hub.mjs";
import { consumer, subscribe } from "./rails.mjs";

const racers = Array.from({ length: 20 }, (_, n) => ({ email: `racer${n}@example.test`, password: `Racer-pass-${n}`, role: "editor" }));
let hub, bot;
const open = [];
const edit = async (person) => {
  const c = consumer(hub, await hub.token(person));
  open.push(c);
  const seen = subscribe(c, { channel: "CollaborativeStreamsChannel" });
  await until(() => seen.connected, () => "no confirmation");
  seen.consumer = c;
  seen.lock = (cell_id) => seen.subscription.perform("lock_cell", { cell_id });
  seen.unlock = (cell_id) => seen.subscription.perform("unlock_cell", { cell_id });
  seen.update = (id, field, value) =>
    seen.subscription.perform("update_cell", { cell_id: `stream_${id}_${field}`, stream_id: `${id}`, field, value });
  seen.errors = () => seen.received.filter((m) => m.error);
  seen.told = (action, cell) => seen.of(action).filter((m) => m.cell_id === cell);
  return seen;
};

before(async () => {
  hub = await Hub.start({ config: toml(racers) });
  bot = await hub.token(people.bot);
});
after(async () => {
  open.forEach((c) => c.disconnect());
  await hub?.stop();
});

test("two editors lock, are refused, edit and unlock as the contract says", async () => {
  const { id } = await hub.addStream(bot, "shared_grid");
  const [ana, ben] = [await edit(people.ana), await edit(people.ben)];
  const cell = `stream_${id}_title`;
  const both = (action) => until(() => ana.told(action, cell).length && ben.told(action, cell).length, () => `${action}: ${JSON.stringify([ana.received, ben.received])}`);

  ana.lock(cell);
  await both("cell_locked");
  const [locked] = ben.told("cell_locked", cell);
  assert.equal(locked.user_name, "ana");
  assert.equal(locked.expires_in, 30);
  assert.equal(locked.field, "title");

  ben.lock(cell);
  await until(() => ben.errors().length, () => "the loser was told nothing");
  assert.equal(ben.errors()[0].error, "Cell is locked by another user");
  assert.equal(ben.told("cell_locked", cell).at(-1).user_id, locked.user_id);
  assert.equal(ana.errors().length, 0);

  ben.update(id, "title", "stolen");
  await until(() => ben.errors().length === 2, () => JSON.stringify(ben.errors()));

  ana.update(id, "title", "Ana's title");
  await both("cell_updated");
  await both("cell_unlocked");
  for (const seen of [ana, ben]) {
    const [updated] = seen.told("cell_updated", cell);
    assert.equal(updated.value, "Ana's title");
    assert.equal(updated.stream_id, `${id}`);
    assert.ok(seen.received.indexOf(updated) < seen.received.indexOf(seen.told("cell_unlocked", cell)[0]));
  }
  assert.equal((await hub.call(bot, "GET", `/api/v1/streams/${id}`)).body.title, "Ana's title");

  ana.update(id, "title", "typed on");
  await until(() => ben.told("cell_updated", cell).length === 2, () => "the second autosave was lost");

  ben.lock(cell);
  await until(() => ana.told("cell_locked", cell).at(-1)?.user_name === "ben", () => "a lost race killed the subscription");
  ben.unlock(cell);
  await until(() => ana.told("cell_unlocked", cell).at(-1)?.reason === "released");
});

test("whoever joins is told which cells are held, and of none that was let go", async () => {
  const { id } = await hub.addStream(bot, "joined_late");
  const ana = await edit(people.ana);
  ana.lock(`stream_${id}_title`);
  ana.lock(`stream_${id}_city`);
  ana.unlock(`stream_${id}_city`);
  await until(() => ana.told("cell_unlocked", `stream_${id}_city`).length);
  const before = ana.of("cell_locked").length;
  const ben = await edit(people.ben);
  const [told] = await until(() => ben.told("cell_locked", `stream_${id}_title`).length && ben.told("cell_locked", `stream_${id}_title`), () => JSON.stringify(ben.received));
  assert.equal(told.user_name, "ana");
  assert.ok(told.expires_in > 0 && told.expires_in <= 30, `${told.expires_in}`);
  assert.equal(ana.of("cell_locked").length, before, "those who were there are not told again");
  // A race: each joins while the lock is let go, and must be left with the truth.
  for (let round = 0; round < 20; round++) {
    const cell = `stream_${id}_notes`;
    ana.lock(cell);
    await until(() => ana.told("cell_locked", cell).length === round + 1);
    const joining = edit(people.viewer);
    ana.unlock(cell);
    const late = await joining;
    await until(() => ana.told("cell_unlocked", cell).length === round + 1);
    const mark = `stream_${id}_state`;
    ana.lock(mark);
    await until(() => late.told("cell_locked", mark).length, () => "what came after was not heard");
    ana.unlock(mark);
    assert.notEqual(late.received.filter((m) => m.cell_id === cell).at(-1)?.action, "cell_locked", `round ${round}`);
    late.consumer.disconnect();
  }
  assert.equal(ben.told("cell_unlocked", `stream_${id}_city`).length + ben.told("cell_locked", `stream_${id}_city`).length, 0);
});

test("an editor who vanishes lets go of their cells, and only of their own tab's", async () => {
  const { id } = await hub.addStream(bot, "vanishing");
  const [tab1, tab2, ben] = [await edit(people.ana), await edit(people.ana), await edit(people.ben)];
  tab1.lock(`stream_${id}_title`);
  tab2.lock(`stream_${id}_city`);
  await until(() => ben.told("cell_locked", `stream_${id}_title`).length && ben.told("cell_locked", `stream_${id}_city`).length);
  tab1.consumer.disconnect();
  await until(() => ben.told("cell_unlocked", `stream_${id}_title`).length, () => "the cell stayed locked");
  assert.equal(ben.told("cell_unlocked", `stream_${id}_title`)[0].reason, "disconnected");
  await sleep(300);
  assert.equal(ben.told("cell_unlocked", `stream_${id}_city`).length, 0);
  const list = ben.of("active_users_list").at(-1).users;
  assert.equal(list.filter((u) => u.user_name === "ana").length, 1, "ana still has a tab");

  const back = await edit(people.ana);
  back.lock(`stream_${id}_title`);
  await until(() => back.told("cell_locked", `stream_${id}_title`).length);
});

test("a hundred rounds of a twenty-way race have exactly one winner each", async () => {
  const { id } = await hub.addStream(bot, "race");
  const racing = await Promise.all(racers.map(edit));
  const watcher = await edit(people.viewer);
  const losses = () => racing.map((r) => r.errors().length);
  for (let round = 0; round < 100; round++) {
    const cell = `stream_${id}_${["title", "city", "notes", "state"][round % 4]}`;
    const [before, from] = [losses(), watcher.received.length];
    const news = (action) => watcher.received.slice(from).filter((m) => m.action === action && m.cell_id === cell);
    for (const r of racing) r.lock(cell);
    const lost = await until(
      () => ((now) => now.reduce((sum, n) => sum + n, 0) >= 19 && now)(losses().map((n, i) => n - before[i])),
      () => `round ${round}: ${losses()}`,
    );
    assert.deepEqual([...lost].sort(), [0, ...Array(19).fill(1)], `round ${round}`);
    const winner = lost.indexOf(0);
    await until(() => news("cell_locked").length, () => `round ${round}: the winner was not announced`);
    assert.deepEqual(news("cell_locked").map((m) => m.user_name), [`racer${winner}`], `round ${round}`);
    racing[winner].unlock(cell);
    await until(() => news("cell_unlocked").length, () => `round ${round}: not unlocked`);
    assert.equal(news("cell_unlocked").length, 1);
  }
  assert.ok(racing.every((r) => r.rejected === 0 && r.disconnected.length === 0));
});

test("a viewer may watch the grid and is refused the pen", async () => {
  const { id } = await hub.addStream(bot, "look_only");
  const viewer = await edit(people.viewer);
  viewer.lock(`stream_${id}_title`);
  await until(() => viewer.errors().length, () => "no answer");
  assert.equal(viewer.errors()[0].error, "You are not authorized to edit streams");
});

test("an edit by HTTP reaches the grid", async () => {
  const { id } = await hub.addStream(bot, "by_http");
  const ana = await edit(people.ana);
  await hub.call(bot, "PATCH", `/api/v1/streams/${id}`, { title: "from afar" });
  const told = await until(() => ana.told("cell_updated", `stream_${id}_title`)[0], () => JSON.stringify(ana.received));
  assert.equal(told.value, "from afar");
});
