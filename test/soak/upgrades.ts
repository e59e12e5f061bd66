/**
 * Ten upgrades one after the other, while clients connect as fast as they can: `node test/soak/upgrades.ts [upgrades]`. Prints how many
 * requests there were, and what became of those that failed.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { askForUpgrade } from "../../src/control/upgrade/ask-for-upgrade.ts";
import { privateSocketOf } from "../../src/control/upgrade/upgrade-socket.ts";
import { startListening } from "../e2e/sluice.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { freePort } from "../kit/ports.ts";

const UPGRADES = Number(process.argv[2] ?? 10);
const ANEW = 48;
const KEPT = 48;
const LONG = 120_000;
const REQUEST = "GET / HTTP/1.1\r\nHost: a.example\r\n";

const counts = { anew: 0, kept: 0, connections: 0 };
const failures = new Map<string, number>();
let isOver = false;

function noteFailure(how: string, error: unknown): void {
  const what = `${how}: ${error instanceof Error ? error.message : String(error)}`;
  failures.set(what, (failures.get(what) ?? 0) + 1);
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  counts.connections++;
  return socket;
}

/** The answer to one request: these are so short that they come in one piece. */
function ask(socket: Socket, request: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const onEnd = (): void => reject(new Error("ended without an answer"));
  const onError = (error: Error): void => reject(error);
  socket.once("data", (bytes: Buffer) => {
    socket.off("end", onEnd).off("error", onError);
    if (bytes.toString().startsWith("HTTP/1.1 200")) resolve(bytes.toString());
    else reject(new Error(`answered ${bytes.toString().slice(0, 20)}`));
  });
  socket.once("end", onEnd).once("error", onError);
  socket.write(request);
  return promise;
}

async function comeAnew(port: number): Promise<void> {
  while (!isOver) {
    try {
      const socket = await connected(port);
      await ask(socket, `${REQUEST}Connection: close\r\n\r\n`);
      counts.anew++;
      socket.destroy();
    } catch (error) {
      noteFailure("anew", error);
    }
  }
}

async function keepAlive(port: number): Promise<void> {
  let socket: Socket | null = null;
  while (!isOver) {
    try {
      socket ??= await connected(port);
      const answer = await ask(socket, `${REQUEST}\r\n`);
      counts.kept++;
      if (!/^connection: close/im.test(answer)) continue;
    } catch (error) {
      noteFailure("kept", error);
    }
    socket?.destroy();
    socket = null;
  }
  socket?.destroy();
}

await using folder = await createTemporaryDirectory();
const port = await freePort();
const pidFile = folder.join("pid");
const file = await folder.write(
  "sluice.yaml",
  `pid_file: ${pidFile}\nlisteners: [{ bind: "127.0.0.1:${port}", respond: { status: 200, body: ok } }]\n`,
);
await using first = await startListening(["run", file, "--threads", "2"]);
const pidOf = (): number => Number(readFileSync(pidFile, "utf8"));
const visitors = [
  ...Array.from({ length: ANEW }, () => comeAnew(port)),
  ...Array.from({ length: KEPT }, () => keepAlive(port)),
];
const began = performance.now();
for (let i = 0; i < UPGRADES; i++) {
  const started = performance.now();
  const pid = await askForUpgrade(privateSocketOf(pidOf()), LONG, () => undefined).catch((error: unknown) => {
    process.stderr.write(first.program.stderr);
    throw error;
  });
  process.stdout.write(
    `upgrade ${i + 1}: process ${pid} after ${Math.round(performance.now() - started)} ms\n`,
  );
}
isOver = true;
await Promise.all(visitors);
const seconds = (performance.now() - began) / 1000;
process.stdout.write(
  `${seconds.toFixed(1)} s: ${Math.round(counts.connections / seconds)} new connections a second\n`,
);
process.stdout.write(`${JSON.stringify({ ...counts, failures: Object.fromEntries(failures) })}\n`);
