import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, renameSync, statSync } from "node:fs";
import { BoundSocket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, isOpenToAll, type TemporaryDirectory } from "../kit/files.ts";
import { createNotifyServer } from "../kit/notify-server.ts";
import { runProgram } from "../kit/process.ts";
import type { RawTarget } from "../kit/raw-client.ts";
import { runInside } from "./inside.ts";
import { get } from "./sluice.ts";

const root = join(import.meta.dirname, "..", "..");
const executable = join(root, "bin", "sluice.js");

/** Only root can become somebody else, who then has to be able to read the sources. */
const changesUser = process.getuid?.() === 0 && isOpenToAll(root);
/** Of root alone, where the system says so. */
const LOW = { host: "127.84.3.1", port: 81 };

async function openDirectory(): Promise<TemporaryDirectory> {
  const directory = await createTemporaryDirectory();
  chmodSync(directory.path, 0o777);
  return directory;
}

/** A field of a process as the kernel tells it. */
function statusOf(pid: number, field: string): string {
  return (
    new RegExp(`^${field}:\\s+(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? ""
  );
}

function isGone(pid: number): boolean {
  return !existsSync(`/proc/${pid}`) || statusOf(pid, "State").startsWith("Z");
}

/** Who a process is, and whose its files are. */
function checkUser(pid: number, directory: TemporaryDirectory, files: readonly string[]): void {
  if (!changesUser) return;
  const uid = Number(statusOf(pid, "Uid").split("\t")[0]);
  assert.ok(uid > 0);
  assert.equal(statusOf(pid, "CapEff"), "0000000000000000");
  for (const name of files) assert.equal(statSync(directory.join(name)).uid, uid, name);
}

/** A program whose thread crashes when it is asked for /crash. */
const PROGRAM = `
  import { defineProxy } from "${root}/src/index.ts";

  export default defineProxy({
    requestFilter(session) {
      if (session.request.path === "/crash") setTimeout(() => { throw new Error("crashed on demand"); });
      return session.request.path === "/crash" ? new Promise(() => {}) : session.respond({ status: 200, body: "well" });
    },
    upstreamPeer: () => null,
  });
`;

function configuration(directory: TemporaryDirectory): string {
  const { join: at } = directory;
  return `
    threads: 1
    daemon: true
    pid_file: ${at("sluice.pid")}
    error_log: ${at("error.log")}
    access_log: { path: ${at("access.log")} }
    umask: "027"
    ${changesUser ? `user: nobody\n    working_directory: ${directory.path}` : ""}
    listeners: [{ bind: "unix:${at("web.sock")}" }, { bind: "${changesUser ? `${LOW.host}:${LOW.port}` : "127.0.0.1:0"}" }]
  `;
}

/** A program in the background, which may have become another process meanwhile. */
class Daemon implements AsyncDisposable {
  readonly directory: TemporaryDirectory;
  readonly command: readonly string[];
  readonly target: RawTarget;

  private constructor(directory: TemporaryDirectory, command: readonly string[], target: RawTarget) {
    this.directory = directory;
    this.command = command;
    this.target = target;
  }

  static async start(): Promise<Daemon> {
    const directory = await openDirectory();
    const program = await directory.write("program.ts", PROGRAM);
    const file = await directory.write("sluice.yaml", configuration(directory));
    const command = [executable, "run", program, "-c", file];
    const started = await runProgram(process.execPath, command);
    assert.equal(started.code, 0, started.stderr);
    const [, port] = /^Listening on 127\.[\d.]+:(\d+) in 1 thread$/m.exec(started.stdout) ?? [];
    return new Daemon(directory, command, changesUser ? LOW : Number(port));
  }

  get pid(): number {
    return Number(this.read("sluice.pid"));
  }

  /** Empty for a file that isn't there. */
  read(name: string): string {
    const path = this.directory.join(name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  async isLogged(words: string): Promise<void> {
    await until(`${words} is logged`, () => this.read("error.log").includes(words));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.pid > 0) this.signal("SIGKILL");
    await this.directory[Symbol.asyncDispose]();
  }
}

describe("sluice run -d", () => {
  let daemon: Daemon;

  before(async () => {
    daemon = await Daemon.start();
  });
  after(() => daemon[Symbol.asyncDispose]());

  test("goes on in the background, as another user", async () => {
    const { pid, target, directory } = daemon;
    assert.equal((await get(target)).body.toString(), "well");
    assert.equal((await get({ path: directory.join("web.sock") })).status, 200);
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
    assert.equal(Number(stat[3]), pid, "it leads a session of its own");
    checkUser(pid, directory, ["error.log", "access.log", "sluice.pid", "web.sock"]);
  });

  test("is alone with its pid file", async () => {
    const second = await runProgram(process.execPath, [...daemon.command, "-d"]);
    assert.deepEqual([second.code, second.stdout], [1, ""]);
    const reason = `sluice\\.pid belongs to process ${daemon.pid}, which is running`;
    assert.match(second.stderr, new RegExp(reason));
  });

  test("replaces threads that crash", async () => {
    await assert.rejects(get(daemon.target, "/crash"), /reset|ended/);
    await daemon.isLogged("A crashed worker was replaced");
    assert.equal((await get(daemon.target)).status, 200);
  });

  test("writes logs anew", async () => {
    const { directory, target } = daemon;
    for (const name of ["error.log", "access.log"])
      renameSync(directory.join(name), directory.join(`${name}.1`));
    daemon.signal("SIGUSR1");
    await daemon.isLogged("Logs are written anew");
    await until("all threads do", () => existsSync(directory.join("access.log")));
    await get(target, "/anew");
    await until("the request is there", () => daemon.read("access.log").includes("/anew"));
    assert.equal(statSync(directory.join("access.log")).mode & 0o777, 0o640);
  });

  test("is reloaded, and succeeded by another process", async () => {
    const { directory, target, pid } = daemon;
    await directory.write("sluice.yaml", `${configuration(directory)}\n    grace_period_seconds: 5\n`);
    daemon.signal("SIGHUP");
    await daemon.isLogged("Reloaded");
    assert.equal((await get(target)).status, 200);
    daemon.signal("SIGUSR2");
    await until("another process has taken its place", () => isGone(pid));
    assert.notEqual(daemon.pid, pid);
    assert.equal((await get(target)).status, 200);
    checkUser(daemon.pid, directory, ["error.log", "access.log", "sluice.pid", "web.sock"]);
  });

  test("leaves nothing behind when it ends", async () => {
    const { pid, directory } = daemon;
    daemon.signal("SIGTERM");
    await until("it has ended", () => isGone(pid));
    for (const name of ["sluice.pid", "web.sock"])
      assert.equal(existsSync(directory.join(name)), false, name);
  });

  test("says what is wrong before it goes", async () => {
    await using directory = await openDirectory();
    const file = await directory.write("sluice.yaml", "listeners: [{ bind: 127.0.0.1:0, respond: 204 }]\n");
    const flags = ["-d", file, "--access-log", "json"];
    const started = await runProgram(process.execPath, [executable, "run", ...flags]);
    assert.deepEqual([started.code, started.stdout], [2, ""]);
    assert.match(started.stderr, /nobody sees standard output/);
    const text = "listeners: [{ bind: 127.0.0.1:0, respond: 204 }]\n";
    for (const [key, args, message] of [
      ["user: nobody-of-that-name", ["-t"], "sluice: There is no user nobody-of-that-name\n"],
      ["working_directory: nowhere", [], /^sluice: working_directory: ENOENT/],
    ] as const) {
      const wrong = await directory.write("wrong.yaml", `${text}${key}\n`);
      const { code, stdout, stderr } = await runInside(["run", wrong, ...args]);
      assert.deepEqual([code, stdout], [2, ""]);
      if (typeof message === "string") assert.equal(stderr, message);
      else assert.match(stderr, message);
    }
  });
});

/** As systemd starts a service: with sockets it has bound, and a place to say how it is. */
function startService(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  sockets: readonly number[],
): ChildProcess {
  const command = 'LISTEN_PID=$$ exec "$@"';
  return spawn("/bin/sh", ["-c", command, "sh", process.execPath, executable, ...args], {
    env: { ...process.env, ...env, LISTEN_FDS: String(sockets.length), LISTEN_FDNAMES: "web:other" },
    stdio: ["ignore", "pipe", "inherit", ...sockets],
  });
}

const skip = process.platform === "linux" ? false : "there is no such service manager";

test("a service of systemd listens on its sockets, says how it is, and ends in good time", {
  skip,
}, async () => {
  await using directory = await createTemporaryDirectory();
  using manager = createNotifyServer(directory.join("notify"));
  const [web, other] = [0, 0].map((port) => new BoundSocket({ host: "127.0.0.1", port })) as [
    BoundSocket,
    BoundSocket,
  ];
  const address = `127.0.0.1:${web.address().port}`;
  const file = await directory.write(
    "sluice.yaml",
    `threads: 2\nshutdown_delay: 1m\nhealth: 127.0.0.1:0\nerror_log: ${directory.join("error.log")}
listeners: [{ bind: "${address}", respond: 204 }]\n`,
  );
  const env = { NOTIFY_SOCKET: directory.join("notify"), WATCHDOG_USEC: "400000" };
  const service = startService(["run", file], env, [web.fd(), other.fd()]);
  try {
    let output = "";
    service.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const told: string[] = [];
    const isTold = (pattern: RegExp): Promise<boolean> =>
      until(`${pattern} is told`, () => {
        told.push(...manager.read());
        return told.some((line) => pattern.test(line));
      });
    await isTold(new RegExp(`^READY=1\nSTATUS=Listening on ${address}$`));
    assert.match(readFileSync(directory.join("error.log"), "utf8"), /A socket was handed over that nobody/);
    await isTold(/^WATCHDOG=1$/);
    assert.equal((await get(web.address().port)).status, 204);
    const [, health] = /^Health on http:\/\/127\.0\.0\.1:(\d+)/m.exec(output) ?? [];
    assert.equal((await get(Number(health), "/health/ready")).status, 200);

    told.length = 0;
    service.kill("SIGHUP");
    await isTold(/^RELOADING=1\nMONOTONIC_USEC=\d+/);
    await isTold(/^READY=1\n/);

    service.kill("SIGTERM");
    await isTold(/^STOPPING=1\n/);
    assert.equal((await get(Number(health), "/health/ready")).status, 503);
    assert.equal((await get(web.address().port)).status, 204, "it goes on until others know");
    const exit = once(service, "exit");
    service.kill("SIGTERM");
    assert.deepEqual(await exit, [0, null]);
  } finally {
    service.kill("SIGKILL");
    for (const socket of [web, other]) socket.close();
  }
});

test("signals that come while a process starts don't end it", async () => {
  await using directory = await createTemporaryDirectory();
  const pidFile = directory.join("sluice.pid");
  const listener = '{ bind: "127.0.0.1:0", upstream: "127.0.0.1:9" }';
  const file = await directory.write(
    "sluice.yaml",
    `pid_file: ${pidFile}\nthreads: 1\nlisteners: [${listener}]\n`,
  );
  const child = spawn(process.execPath, [executable, "run", file], { stdio: ["ignore", "pipe", "inherit"] });
  await until("its number is known", () => existsSync(pidFile));
  for (const signal of ["SIGUSR1", "SIGHUP", "SIGUSR2"] as const) child.kill(signal);
  let said = "";
  for await (const text of child.stdout.setEncoding("utf8")) {
    said += String(text);
    if (said.includes("\n")) break;
  }
  child.kill("SIGKILL");
  assert.match(said, /^Listening on /);
});
