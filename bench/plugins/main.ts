/** Measures what plugins in C cost, and what they save: `npm run bench:plugins`. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NativePlugin } from "../../src/plugins/native-plugin.ts";
import { MOST_INPUT } from "../../src/plugins/plugin.ts";
import { cpuMicrosOf } from "../measure/process-tree.ts";
import { freePort, killAll, launch } from "../processes.ts";
import { textTable } from "../report/table.ts";

const { values } = parseArgs({
  options: {
    chunk: { type: "string", default: "16384" },
    messages: { type: "string", default: "50000" },
    rounds: { type: "string", default: "9" },
    pipeline: { type: "string", default: "1" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) {
  process.stdout.write(`Usage: npm run bench:plugins -- [--chunk 16384] [--messages 50000] [--rounds 9] [--pipeline 1]

CPU time of upper-case in C and in TypeScript, by itself; then CPU time of a TCP proxy in one thread for each message that
is echoed, without a plugin, with pass-through, and with pass-through in a process of its own, in turn. Ends with 1 when
a plugin costs more, or saves less, than it may.
`);
  process.exit();
}

const chunk = Math.min(Number(values.chunk), MOST_INPUT);
const messages = Number(values.messages);
const rounds = Number(values.rounds);
const source = join(import.meta.dirname, "../../native");
const native = join(source, "build");
/** What pass-through may cost of a proxy's CPU time, and how much faster C has to be than the same in TypeScript. */
const MOST_SHARE = 0.05;
const LEAST_GAIN = 5;
/** Messages under way at once. With more than one they come in larger pieces, which are relayed without a copy. */
const pipeline = Number(values.pipeline);

execFileSync("make", ["-C", source], { stdio: ["ignore", "ignore", "inherit"] });
measureFilters();
await measureProxy();
killAll();
process.exit();

// ── the filter by itself ─────────────────────────────────────────────────────────────────────────────────────────

function measureFilters(): void {
  const input = Buffer.allocUnsafeSlow(chunk).fill("Some text, neither short nor long. ");
  const output = Buffer.allocUnsafeSlow(chunk);
  const upper = new NativePlugin(join(native, "upper-case.so"), "null").openConnection("");
  const pass = new NativePlugin(join(native, "pass-through.so"), "null").openConnection("");
  const ways: [string, () => unknown][] = [
    ["upper-case in C, with its call", () => upper.transform(0, input, 0, chunk)],
    ["upper-case in TypeScript, byte by byte", () => upperCase(input, output)],
    [
      "upper-case in TypeScript, by toUpperCase()",
      () => output.write(input.toString("latin1").toUpperCase(), "latin1"),
    ],
    ["pass-through in C, with its call", () => pass.transform(0, input, 0, chunk)],
  ];
  const times = ways.map(([, run]) => timeOf(run));
  const rows = ways.map(([name], i) => [name, `${times[i]!.toFixed(2)} µs`]);
  process.stdout.write(`${chunk} bytes\n\n${textTable([["filter", "CPU time"], ...rows])}\n\n`);
  const gain = times[1]! / times[0]!;
  tell(`upper-case in C is ${gain.toFixed(1)} times as fast as the same loop in TypeScript`, {
    isGood: gain >= LEAST_GAIN,
    wanted: `at least ${LEAST_GAIN}`,
  });
}

function tell(text: string, { isGood, wanted }: { readonly isGood: boolean; readonly wanted: string }): void {
  if (!isGood) process.exitCode = 1;
  process.stdout.write(`${isGood ? "GOOD" : "MISSED"}: ${text}; ${wanted}\n`);
}

function upperCase(input: Buffer, output: Buffer): void {
  for (let i = 0; i < input.length; i++) {
    const byte = input[i]!;
    output[i] = byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
  }
}

/** Microseconds of CPU time, the best of several runs: others may use the processor's caches meanwhile. */
function timeOf(run: () => unknown): number {
  const times: number[] = [];
  for (let round = 0; round < 8; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < 5_000; i++) run();
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 5_000);
  }
  return Math.min(...times);
}

// ── in a proxy ───────────────────────────────────────────────────────────────────────────────────────────────────

async function measureProxy(): Promise<void> {
  const echo = createServer((socket) => socket.pipe(socket));
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const file = join(folder, "plugins.yaml");
  writeFileSync(file, configuration(echo, ports));
  const child = launch([process.execPath, join(import.meta.dirname, "../../bin/sluice.js"), "run", file]);
  const sockets = await Promise.all(ports.map(connected));
  const times: number[][] = ports.map(() => []);
  // The first round is for the compiler to warm up.
  for (let round = 0; round <= rounds; round++) {
    for (const [index, socket] of sockets.entries()) {
      const before = await cpuMicrosOf(child.pid);
      await pingPong(socket);
      const time = ((await cpuMicrosOf(child.pid)) - before) / messages;
      if (round > 0) times[index]!.push(time);
    }
  }
  rmSync(folder, { recursive: true });
  const [without = 0, withPlugin = 0, isolated = 0] = times.map(bestHalf);
  const share = withPlugin / without - 1;
  const rows = [
    ["without a plugin", `${without.toFixed(2)} µs`],
    ["pass-through both ways", `${withPlugin.toFixed(2)} µs`],
    ["the same in a process of its own, with that", `${isolated.toFixed(2)} µs`],
  ];
  process.stdout.write(`\necho of ${chunk} bytes\n\n${textTable([["proxy", "CPU time"], ...rows])}\n\n`);
  tell(`pass-through costs ${(share * 100).toFixed(1)} % of the proxy's CPU time`, {
    isGood: share <= MOST_SHARE,
    wanted: `at most ${MOST_SHARE * 100} %`,
  });
}

/**
 * The mean of the faster half: whoever else uses the machine only ever makes it slower, and the kernel tells the time in steps of 10
 * ms, which the best alone would be a matter of luck with.
 */
function bestHalf(times: readonly number[]): number {
  const best = times.toSorted((a, b) => a - b).slice(0, Math.ceil(times.length / 2));
  return best.reduce((sum, time) => sum + time, 0) / best.length;
}

function configuration(echo: Server, [plain, plugged, isolated]: readonly [number, number, number]): string {
  const upstream = `127.0.0.1:${(echo.address() as AddressInfo).port}`;
  return `threads: 1
plugins:
  pass: ${join(native, "pass-through.so")}
  boxed: { path: ${join(native, "pass-through.so")}, isolate: process }
listeners:
  - { bind: "127.0.0.1:${plain}", protocol: tcp, upstream: "${upstream}" }
  - { bind: "127.0.0.1:${plugged}", protocol: tcp, upstream: "${upstream}", plugins: [pass] }
  - { bind: "127.0.0.1:${isolated}", protocol: tcp, upstream: "${upstream}", plugins: [boxed] }
`;
}

async function connected(port: number): Promise<Socket> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return socket;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Sends a chunk for every chunk that has come back. */
async function pingPong(socket: Socket): Promise<void> {
  const bytes = Buffer.alloc(chunk, "x");
  const { promise, resolve } = Promise.withResolvers<void>();
  let sent = pipeline;
  let came = 0;
  const onData = ({ length }: Buffer): void => {
    came += length;
    for (; sent < messages && sent < Math.floor(came / chunk) + pipeline; sent++) socket.write(bytes);
    if (came === messages * chunk) resolve();
  };
  socket.on("data", onData);
  for (let i = 0; i < pipeline; i++) socket.write(bytes);
  await promise;
  socket.off("data", onData);
}
