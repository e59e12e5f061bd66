import { parentPort, workerData } from "node:worker_threads";
import { TicketKeys } from "../../src/net/tls/ticket-keys.ts";
import type { Identity } from "./certificates.ts";
import { createServerContext, startTlsServer } from "./tls-server.ts";

/** A thread with a TLS server that echoes, whose ticket keys it is told. */
const { identity, keys } = workerData as { identity: Identity; keys: Uint8Array[] };
const tickets = new TicketKeys(keys);
const server = await startTlsServer({ choose: createServerContext([identity], {}, tickets) });
parentPort!.on("message", (next: Uint8Array[]) => {
  tickets.set(next);
  parentPort!.postMessage("rotated");
});
parentPort!.postMessage(server.port);
