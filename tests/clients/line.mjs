// The line between a client and its hub: a TCP proxy that a test may cut, on both ends or on the client's end only.
import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Line {
  /** Opens a line to `port`; clients use `line.port` instead. */
  static async to(port) {
    const line = new Line();
    line.pairs = new Set();
    line.server = createServer((client) => {
      if (line.down) return client.on("error", () => {}).destroy();
      const hub = connect(port, "127.0.0.1");
      const pair = { client, hub };
      line.pairs.add(pair);
      client.pipe(hub);
      hub.pipe(client);
      for (const end of [client, hub]) end.on("error", () => {}).on("close", () => line.pairs.delete(pair));
    }).listen(0, "127.0.0.1");
    await once(line.server, "listening");
    line.port = line.server.address().port;
    line.stale = [];
    return line;
  }
  /** Whether nobody gets through; with `cut`, who was through is not any more. */
  down = false;
  /** Every connection is gone; unless `noticed`, the hub hears nothing of it, as when a phone changes networks. */
  cut({ noticed = true } = {}) {
    for (const { client, hub } of this.pairs) {
      client.unpipe(hub);
      hub.unpipe(client);
      client.removeAllListeners("end");
      client.destroy();
      if (noticed) hub.destroy();
      else this.stale.push(hub.resume());
    }
    this.pairs.clear();
  }
  close() {
    this.cut();
    this.stale.forEach((hub) => hub.destroy());
    this.server.close();
  }
}
