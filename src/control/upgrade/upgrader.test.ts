import assert from "node:assert/strict";
import { once } from "node:events";
import { BoundSocket, connect, createServer } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../../test/kit/files.ts";
import { runProgram } from "../../../test/kit/process.ts";
import { duplicateDescriptor } from "../duplicate.ts";
import { askForUpgrade } from "./ask-for-upgrade.ts";
import { Channel } from "./channel.ts";
import { connectTo } from "./connect-to.ts";
import { type Estate, toEstateMessage } from "./estate.ts";
import { encodeFrame } from "./frames.ts";
import type { CommandLine } from "./launch.ts";
import { Predecessor } from "./predecessor.ts";
import { privateSocketOf, UpgradeSocket } from "./upgrade-socket.ts";
import { Upgrader } from "./upgrader.ts";

const SOON = 60_000;
const OLD = { pid: 11, version: "1.0.0" };
const NEW = { pid: 22, version: "2.0.0" };
const NOTHING: Estate = { sockets: [], memories: {} };

/** A process that can be succeeded, but for the process. */
class OldProcess implements AsyncDisposable {
  readonly upgrader: Upgrader;
  readonly path: string;
  readonly succeededBy: number[] = [];
  readonly keptFrom: number[] = [];
  estate: Estate = NOTHING;
  /** That aren't over. */
  pauses = 0;
  readonly #folder: TemporaryDirectory;
  #socket: UpgradeSocket | null = null;

  private constructor(folder: TemporaryDirectory, command: CommandLine | null) {
    this.#folder = folder;
    this.path = folder.join("upgrade.sock");
    this.upgrader = new Upgrader({
      self: OLD,
      command,
      pause: async () => {
        this.pauses++;
        return () => {
          this.pauses--;
        };
      },
      estate: async () => this.estate,
      onSucceeded: (pid) => this.succeededBy.push(pid),
      onKept: (pid) => this.keptFrom.push(pid),
    });
  }

  static async start(command: CommandLine | null = null): Promise<OldProcess> {
    const old = new OldProcess(await createTemporaryDirectory(), command);
    old.#socket = await UpgradeSocket.open({ path: old.path }, old.upgrader);
    return old;
  }

  /** A process that stands in for a program: `script` runs instead of it, and instead of its test. */
  static startAs(script: string, test = ""): Promise<OldProcess> {
    const code = `if (process.argv.includes("--test")) { ${test} } else { ${script} }`;
    const args = ["--input-type=module", "-e", code, "--"];
    const testArgs = [...args, "--test"];
    return OldProcess.start({ executable: process.execPath, args, testArgs, folder: process.cwd() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}

describe("handing over to a successor that somebody starts", { skip: process.platform !== "linux" }, () => {
  test("gives it the sockets and what is remembered, and then the place", async () => {
    await using old = await OldProcess.start();
    const bound = new BoundSocket({ host: "127.0.0.1", port: 0 });
    const { port } = bound.address();
    const address = `127.0.0.1:${port}`;
    old.estate = {
      sockets: [{ owner: "a", address, descriptors: [duplicateDescriptor(bound.fd())] }],
      memories: { tickets: { a: ["key"] } },
    };
    const handedOver = old.upgrader.handOver(SOON);
    const predecessor = await Predecessor.waitAt(old.path, NEW);
    bound.close();
    const { sockets, memories } = predecessor.estate;
    assert.equal(predecessor.pid, OLD.pid);
    assert.equal(old.pauses, 1, "nothing else changes meanwhile");
    assert.deepEqual(memories, old.estate.memories);
    assert.deepEqual(
      sockets.map((one) => [one.owner, one.address]),
      [["a", address]],
    );
    const server = createServer((socket) => socket.end("hello")).listen({ fd: sockets[0]!.descriptors[0]! });
    const [said] = (await once(connect(port, "127.0.0.1"), "data")) as [Buffer];
    assert.equal(said.toString(), "hello");
    server.close();

    await predecessor.takeOver();
    assert.deepEqual(old.succeededBy, [], "before the new one has everything");
    await predecessor.confirm();
    assert.equal(await handedOver, NEW.pid);
    assert.deepEqual([old.succeededBy, old.pauses], [[NEW.pid], 0]);
    await assert.rejects(old.upgrader.handOver(SOON), /taken the place already/);
    await assert.rejects(Predecessor.waitAt(old.path, NEW), /taken the place already/);
  });

  test("waits for whoever comes first, and one at a time", async () => {
    await using old = await OldProcess.start();
    const first = Predecessor.waitAt(old.path, NEW);
    await assert.rejects(Predecessor.waitAt(old.path, NEW), /process 22 waits already/);
    const handedOver = old.upgrader.handOver(SOON);
    await assert.rejects(old.upgrader.handOver(SOON), { message: "An upgrade is under way already" });
    const predecessor = await first;
    await assert.rejects(
      askForUpgrade(old.path, SOON, () => undefined),
      /under way already/,
    );
    predecessor.renounce("no port 80 here");
    await assert.rejects(handedOver, { name: "UpgradeError", message: "No upgrade: no port 80 here" });
    assert.deepEqual(old.keptFrom, [], "it never had the place");

    const again = old.upgrader.handOver(SOON);
    const next = await Predecessor.waitAt(old.path, NEW);
    await next.takeOver();
    await next.confirm();
    assert.equal(await again, NEW.pid);
  });

  test("changes nothing when nobody comes, or isn't ready in time", async () => {
    await using old = await OldProcess.start();
    await assert.rejects(old.upgrader.handOver(1), /wasn't ready within 0 seconds/);
    const handedOver = old.upgrader.handOver(300);
    const slow = await Predecessor.waitAt(old.path, NEW);
    old.upgrader.end();
    await assert.rejects(handedOver, /wasn't ready within 0.3 seconds/);
    await assert.rejects(slow.takeOver(), /The place of process 11 couldn't be taken: it wasn't ready/);
    assert.deepEqual([old.succeededBy, old.pauses], [[], 0]);
    await assert.rejects(old.upgrader.handOver(SOON), /^UpgradeError: The process ends/);
  });

  test("changes nothing when the successor is gone before it has everything", async () => {
    await using old = await OldProcess.start();
    const handedOver = old.upgrader.handOver(SOON);
    const socket = await connectTo(old.path);
    const channel = new Channel(socket);
    channel.send({ type: "hello", protocol: 1, pid: 33, version: "2" });
    await channel.receive();
    await channel.receiveWith({ type: "take" });
    channel.send({ type: "ready" });
    assert.equal((await channel.receive()).type, "go");
    socket.destroy();
    await assert.rejects(handedOver, /No upgrade: the other process has closed the connection/);
    assert.deepEqual([old.succeededBy, old.keptFrom], [[], [33]]);
  });

  test("isn't for who was held up until it was decided otherwise", async () => {
    await using folder = await createTemporaryDirectory();
    const path = folder.join("old.sock");
    const server = createServer((socket) => {
      const channel = new Channel(socket);
      void (async () => {
        await channel.receive();
        channel.send({ type: "offer", pid: OLD.pid });
        await channel.receive();
        channel.send(toEstateMessage(NOTHING));
        await channel.receive();
        channel.send({ type: "go" });
        channel.send({ type: "refused", message: "it wasn't ready within 10 seconds" });
        channel.close();
      })();
    }).listen(path);
    await once(server, "listening");
    const predecessor = await Predecessor.waitAt(path, NEW);
    await predecessor.takeOver();
    await assert.rejects(
      predecessor.confirm(),
      /The place of process 11 couldn't be taken: it wasn't ready within 10 seconds/,
    );
    predecessor.renounce("too late");
    server.close();
  });

  test("takes nothing back that is given, because time is over", async () => {
    await using old = await OldProcess.start();
    const handedOver = old.upgrader.handOver(1_000);
    const over = delay(1_100);
    const predecessor = await Predecessor.waitAt(old.path, NEW);
    await predecessor.takeOver();
    await over;
    await predecessor.confirm();
    assert.equal(await handedOver, NEW.pid);
  });

  test("refuses who speaks otherwise", async () => {
    await using old = await OldProcess.start();
    const cases: [said: { type: string; [field: string]: unknown }, answer: RegExp][] = [
      [{ type: "hello", protocol: 2, pid: 1 }, /speaks version 2 of the protocol/],
      [{ type: "hello", protocol: 1 }, /hello was said and not hello|pid/],
      [{ type: "bye" }, /nobody knows what bye means/],
    ];
    for (const [said, answer] of cases) {
      const channel = new Channel(await connectTo(old.path));
      channel.send(said);
      const { type, message } = await channel.receive();
      assert.equal(type, "refused");
      assert.match(String(message), answer);
    }
    await assert.rejects(
      askForUpgrade(old.path, SOON, assert.fail, { pid: 1, uid: null }),
      /process \d+ listens there, and not process 1$/,
    );
    await assert.rejects(Predecessor.waitAt(`${old.path}.not`, NEW), /There is nobody to take over from at/);
  });
});

const otherUsers =
  process.platform === "linux" && process.getuid?.() === 0 ? false : "only root can be somebody else";

test("another user gets nothing", { skip: otherUsers }, async () => {
  await using old = await OldProcess.start();
  const handedOver = old.upgrader.handOver(SOON);
  const path = `${privateSocketOf(process.pid)}-test`;
  const socket = await UpgradeSocket.open({ path }, old.upgrader);
  const hello = JSON.stringify(
    encodeFrame({ type: "hello", protocol: 1, pid: 1, version: "1" }).toJSON().data,
  );
  const script = `
    process.setuid(65534);
    const socket = require("node:net").connect({ path: ${JSON.stringify(path)} });
    socket.write(Buffer.from(${hello}));
    socket.on("data", (bytes) => process.stdout.write(bytes.subarray(8)));`;
  const stranger = await runProgram(process.execPath, ["-e", script]);
  assert.deepEqual(JSON.parse(stranger.stdout), {
    type: "refused",
    message: "this process belongs to another user",
  });
  const predecessor = await Predecessor.waitAt(old.path, NEW);
  await predecessor.takeOver();
  await predecessor.confirm();
  assert.equal(await handedOver, NEW.pid);
  socket.close();
});

const TAKE_OVER = `
  const { Predecessor } = await import(${JSON.stringify(new URL("./predecessor.ts", import.meta.url).href)});
  const { takeSuccession } = await import(${JSON.stringify(new URL("./launch.ts", import.meta.url).href)});
  const self = { pid: process.pid, version: "2" };
  const predecessor = await Predecessor.inherit(takeSuccession(process.env), self);`;

describe("starting a successor", { skip: process.platform !== "linux" }, () => {
  test("tests it, starts it and gives it the place", async () => {
    const script = `${TAKE_OVER} await predecessor.takeOver(); await predecessor.confirm();`;
    await using old = await OldProcess.startAs(script);
    const steps: string[] = [];
    const pid = await askForUpgrade(old.path, SOON, (step) => steps.push(step));
    assert.deepEqual(old.succeededBy, [pid]);
    assert.deepEqual(steps, [
      "Testing what the new process would run",
      "Starting the new process",
      `Process ${pid} starts on the sockets of process ${OLD.pid}`,
    ]);
  });

  test("changes nothing when the test fails, or the successor crashes or can't start", async () => {
    const cases: [script: string, test: string, reason: RegExp][] = [
      ["", `console.error("a.yaml:3: wrong"); process.exit(2)`, /the test failed: a\.yaml:3: wrong$/],
      ["", "process.exit(3)", /the test failed: the test ended with code 3$/],
      ["process.exit(4)", "", /the new process ended with code 4: the other process has closed/],
      [`${TAKE_OVER} predecessor.renounce("no room"); process.exit(1)`, "", /No upgrade: .*no room$/],
    ];
    for (const [script, test, reason] of cases) {
      await using old = await OldProcess.startAs(script, test);
      await assert.rejects(
        askForUpgrade(old.path, SOON, () => undefined),
        reason,
      );
      assert.deepEqual(old.succeededBy, []);
    }
  });

  test("doesn't wait for what its test has started", async () => {
    const test = `
      const { spawn } = await import("node:child_process");
      console.error(spawn("sleep", ["600"], { stdio: "inherit" }).pid);
      process.exit(2);`;
    await using old = await OldProcess.startAs("", test);
    const { message } = (await old.upgrader.start(SOON).catch((error: unknown) => error)) as Error;
    const [, pid] = /^No upgrade: the test failed: (\d+)$/.exec(message) ?? [];
    assert.ok(process.kill(Number(pid), "SIGKILL"), message);
  });

  test("lets a successor that gives up finish what it has", async () => {
    const script = `${TAKE_OVER} predecessor.renounce("no room"); setInterval(() => undefined, 1000);`;
    await using old = await OldProcess.startAs(script);
    let pid = 0;
    const asked = old.upgrader.start(SOON, (step) => {
      pid ||= Number(/^Process (\d+)/.exec(step)?.[1] ?? 0);
    });
    await assert.rejects(asked, /^UpgradeError: No upgrade: no room$/);
    assert.ok(process.kill(pid, "SIGKILL"));
  });

  test("ends a successor that never gets ready", async () => {
    await using old = await OldProcess.startAs(`${TAKE_OVER} setInterval(() => undefined, 1000);`);
    let pid = 0;
    const asked = old.upgrader.start(1_500, (step) => {
      pid ||= Number(/^Process (\d+)/.exec(step)?.[1] ?? 0);
    });
    await assert.rejects(asked, /No upgrade/);
    // On a busy machine not even the test may be over by then.
    if (pid > 0) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  });
});
