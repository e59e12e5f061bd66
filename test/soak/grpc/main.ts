/**
 * Streams four gigabytes of gRPC messages through a proxy whose client and server are slow in turn, checks each message,
 * and tells how much memory that took. By hand:
 *
 *     node test/soak/grpc/main.ts [gigabytes]
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { startSluice } from "../../kit/process.ts";
import { inMib } from "../memory.ts";
import { BOTH, DOWN, MESSAGE_SIZE, readAll, startServer, UP, writeAll } from "./messages.ts";

const GIGABYTE = 2 ** 30;
/** What the proxy may gain over what it had after its first call. */
const TOLERANCE = 64 * 2 ** 20;

const gigabytes = Number(process.argv[2] ?? 4);
/** A quarter each way, and half of it there and back. */
const count = Math.floor((gigabytes * GIGABYTE) / 4 / MESSAGE_SIZE);

function memoryOf(pid: number): { readonly now: number; readonly highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
  return { now: read("VmRSS"), highest: read("VmHWM") };
}

const { server, port } = await startServer();
await using proxy = await startSluice(
  ["http", "--bind", "127.0.0.1:0", "--upstream", `127.0.0.1:${port}`, "--protocol", "h2c", "--threads", "0"],
  { cwd: join(import.meta.dirname, "..", "..", "..") },
);
const [, address = ""] = await proxy.line(/^Listening on (?:http:\/\/)?(\S+)/);
const client = new Client(address, credentials.createInsecure());

async function download(messages: number): Promise<void> {
  const request = Buffer.alloc(4);
  request.writeUInt32BE(messages);
  const call = client.makeServerStreamRequest(
    DOWN.path,
    DOWN.requestSerialize,
    DOWN.responseDeserialize,
    request,
  );
  expect(await readAll(call, true), messages);
}

async function upload(messages: number): Promise<void> {
  const call = client.makeBidiStreamRequest(UP.path, UP.requestSerialize, UP.responseDeserialize);
  const answer = new Promise<Buffer>((resolve, reject) => call.once("data", resolve).once("error", reject));
  await writeAll(call, messages);
  call.end();
  expect((await answer).readUInt32BE(), messages);
}

async function thereAndBack(messages: number): Promise<void> {
  const call = client.makeBidiStreamRequest(BOTH.path, BOTH.requestSerialize, BOTH.responseDeserialize);
  const reading = readAll(call, false);
  await writeAll(call, messages);
  call.end();
  expect(await reading, messages);
}

function expect(found: number, expected: number): void {
  if (found !== expected) throw new Error(`${found} of ${expected} messages came`);
}

async function run(name: string, bytes: number, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { now, highest } = memoryOf(proxy.pid);
  const rate = bytes / 2 ** 20 / seconds;
  process.stdout.write(
    `${name}: ${inMib(bytes)} in ${seconds.toFixed(1)} s (${rate.toFixed(0)} MiB/s); memory ${inMib(now)}, highest ${inMib(highest)}\n`,
  );
}

const bytes = count * MESSAGE_SIZE;
await run("warm-up", 3 * 100 * MESSAGE_SIZE, async () => {
  await download(100);
  await thereAndBack(100);
});
const warm = memoryOf(proxy.pid).highest;
await run("to a slow client", bytes, () => download(count));
await run("to a slow server", bytes, () => upload(count));
await run("there and back", 2 * bytes, () => thereAndBack(count));
const { highest } = memoryOf(proxy.pid);
client.close();
server.forceShutdown();
if (highest - warm > TOLERANCE) {
  process.stdout.write(`memory grew from ${inMib(warm)} to ${inMib(highest)}\n`);
  process.exitCode = 1;
}
