import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { askForUpgrade } from "../../src/control/upgrade/ask-for-upgrade.ts";
import { privateSocketOf } from "../../src/control/upgrade/upgrade-socket.ts";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { freePort, listen } from "../kit/ports.ts";
import { runProgram, startSluice } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { get, type RunningSluice, startListening } from "./sluice.ts";
import { comesAnew, keepsAlive, resumesSession, SteadyVisitors, speaksHttp2 } from "./steady-visitors.ts";
import { writeIdentity } from "./tls-sluice.ts";

const identity = await (await createAuthority()).issue();
const LONG = 60_000;
const EXECUTABLE = new URL("../../bin/sluice.js", import.meta.url).pathname;

/** A configuration with listeners of all kinds, and processes that follow each other. */
class Dynasty implements AsyncDisposable {
  readonly #folder: TemporaryDirectory;
  readonly port: number;
  readonly admin: number;
  readonly first: RunningSluice;

  private constructor(folder: TemporaryDirectory, ports: readonly number[], first: RunningSluice) {
    this.#folder = folder;
    [this.port, this.admin] = ports as [number, number];
    this.first = first;
  }

  static async begin(): Promise<Dynasty> {
    const folder = await createTemporaryDirectory();
    await writeIdentity(folder, identity);
    const ports = [await freePort(), await freePort()];
    await write(folder, ports, "first");
    const file = folder.join("sluice.yaml");
    const args = ["run", "--threads", "2", "--", file];
    const first = await startListening(args, { listeners: 3, cwd: folder.path });
    return new Dynasty(folder, ports, first);
  }

  /** Has whoever comes next answer something else, and listen somewhere else besides. */
  write(body: string, more: readonly object[] = []): Promise<string> {
    return write(this.#folder, [this.port, this.admin], body, more);
  }

  join(name: string): string {
    return this.#folder.join(name);
  }

  /** Whose turn it is. */
  get pid(): number {
    return Number(readFileSync(this.#folder.join("pid"), "utf8"));
  }

  get securePort(): number {
    return Number(/:(\d+)$/.exec(this.first.addresses[1]!)![1]);
  }

  async answer(): Promise<string> {
    return (await get(this.port)).body.toString();
  }

  async upgrade(): Promise<number> {
    return await askForUpgrade(privateSocketOf(this.pid), LONG, () => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.first[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

function write(
  folder: TemporaryDirectory,
  [port, admin]: readonly number[],
  body: string,
  more: readonly object[] = [],
): Promise<string> {
  const respond = { status: 200, body };
  const configuration = {
    ...{ pid_file: "pid", upgrade_sock: "upgrade.sock", admin, grace_period_seconds: 20 },
    listeners: [
      { name: "web", bind: `127.0.0.1:${port}`, respond },
      { name: "secure", bind: "127.0.0.1:0", tls: { cert: "cert.pem", key: "key.pem" }, respond },
      { name: "local", bind: `unix:${folder.join("web.sock")}`, respond },
      ...more,
    ],
  };
  return folder.write("sluice.yaml", JSON.stringify(configuration));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("an upgrade of the running process", {
  skip: process.platform !== "linux",
  timeout: 240_000,
}, () => {
  test("refuses and cuts nobody, three times in a row, and then with another configuration", async () => {
    await using dynasty = await Dynasty.begin();
    const { port, securePort, admin } = dynasty;
    const pids = [dynasty.pid];
    {
      await using visitors = new SteadyVisitors();
      visitors.send("anew", comesAnew(port));
      visitors.send("kept alive", keepsAlive(port));
      visitors.send("h2c", speaksHttp2(port));
      visitors.send("tls", resumesSession(securePort));
      for (const how of ["asked", "by the API", "by a signal"]) {
        const before = { ...visitors.visits };
        const former = dynasty.pid;
        await dynasty.write(how);
        if (how === "asked") assert.equal(await dynasty.upgrade(), dynasty.pid);
        else if (how === "by a signal") process.kill(former, "SIGUSR2");
        else {
          const flags = ["upgrade", "-h", `127.0.0.1:${admin}`, "--json"];
          const { stdout, code } = await runProgram(process.execPath, [EXECUTABLE, ...flags], {
            timeout: LONG,
          });
          assert.equal(code, 0);
          assert.deepEqual(JSON.parse(stdout.trim().split("\n").at(-1)!), {
            event: "upgraded",
            pid: dynasty.pid,
          });
        }
        await until("another one has the place", () => dynasty.pid !== former, { timeout: LONG });
        await until("the former one has ended", () => !isRunning(former), { timeout: LONG });
        pids.push(dynasty.pid);
        assert.equal(await dynasty.answer(), how);
        for (const [name, visits] of Object.entries(visitors.visits))
          assert.ok(visits > before[name]!, `${name} went on`);
      }
      assert.deepEqual(visitors.failures, []);
    }
    assert.equal(new Set(pids).size, 4);
    assert.equal((await get({ path: dynasty.join("web.sock") })).status, 200);
    assert.ok((await fetch(`http://127.0.0.1:${admin}/version`)).ok);

    await takeOverByHand(dynasty);
  });

  test("changes nothing when it fails", async () => {
    await using dynasty = await Dynasty.begin();
    const { pid } = dynasty;
    const kept = await connectRaw(dynasty.port);
    const ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert.equal((await kept.exchange(ask)).status, 200);
    await dynasty.write("broken", [{ bind: "nowhere at all" }]);
    const refused = await runProgram(process.execPath, [EXECUTABLE, "upgrade", "--pid", String(pid)]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^No upgrade: the test failed: .*listeners\[3\]\.bind/s);

    // The test of a configuration binds nothing.
    const taken = createServer();
    await dynasty.write("taken", [{ bind: `127.0.0.1:${await listen(taken)}`, respond: 204 }]);
    const [one, other] = [dynasty.upgrade(), dynasty.upgrade()];
    await assert.rejects(other, /An upgrade is under way already/);
    await assert.rejects(one, /No upgrade: .*another program listens there already/);
    taken.close();
    assert.equal(dynasty.pid, pid);
    assert.equal((await kept.exchange(ask)).body.toString(), "first", "on the same connection");
    for (const name of ["web.sock", "upgrade.sock"]) assert.ok(existsSync(dynasty.join(name)));
    await kept[Symbol.asyncDispose]();
  });
});

/** A successor that was started by somebody else, with fewer threads, other listeners and a long answer under way. */
async function takeOverByHand(dynasty: Dynasty): Promise<void> {
  const former = dynasty.pid;
  const added = await freePort();
  await dynasty.write("other", [{ name: "more", bind: `127.0.0.1:${added}`, respond: 204 }]);
  const kept = await connectRaw(dynasty.port);
  const args = ["run", dynasty.join("sluice.yaml"), "--threads", "1", "-u"];
  await using successor = await startSluice(args, { cwd: dynasty.join(".") });
  await successor.line(/Waiting for the sockets/);
  assert.equal(await dynasty.answer(), "by a signal");
  process.kill(former, "SIGQUIT");
  await successor.line(/^Listening on .*in 1 thread$/);
  assert.equal(dynasty.pid, successor.pid);
  // A connection that was there before is answered by whoever has it, until that one says that it is over.
  await until("the connection is to end", async () => {
    const { status, headers } = await kept.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(status, 200);
    return headers.some(([name, value]) => name === "Connection" && value === "close");
  });
  await kept[Symbol.asyncDispose]();
  await until("the former one has ended", () => !isRunning(former), { timeout: LONG });
  // Both of the sockets that two threads had are listened on: none of these is left waiting.
  for (let i = 0; i < 20; i++) assert.equal(await dynasty.answer(), "other");
  assert.equal((await get(added)).status, 204);
  successor.signal("SIGTERM");
  assert.equal((await successor.exit()).code, 0);
  for (const name of ["pid", "web.sock", "upgrade.sock"]) assert.ok(!existsSync(dynasty.join(name)), name);
}
