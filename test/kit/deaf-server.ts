import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";

/** A port of 127.0.0.1 on which connections neither come about nor are refused. */
export interface DeafServer extends AsyncDisposable {
  readonly port: number;
}

/** Listens with the shortest queue there is, and accepts nothing: its thread stands still. */
const deafness = `
  const { createServer } = require("node:net");
  const { parentPort } = require("node:worker_threads");
  const server = createServer().listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/** How many connections Linux completes for a queue of one. */
const queued = 2;

/** Starts a server whose queue is full: the kernel leaves further attempts without an answer. */
export async function startDeafServer(): Promise<DeafServer> {
  const worker = new Worker(deafness, { eval: true });
  const [port] = (await once(worker, "message")) as [number];
  const fillers: Socket[] = [];
  for (let i = 0; i < queued; i++) {
    const filler = connect(port, "127.0.0.1").on("error", () => {});
    fillers.push(filler);
    await once(filler, "connect");
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy();
      await worker.terminate();
    },
  };
}
