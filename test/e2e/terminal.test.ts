import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { PatternVerifier, patternBytes } from "../kit/pattern.ts";
import { skipWithout } from "../kit/peer.ts";
import { freePort } from "../kit/ports.ts";
import { closureOf, connectRaw, type RawClient } from "../kit/raw-client.ts";
import { type RawConnection, type RawOrigin, startRawOrigin } from "../kit/raw-origin.ts";
import { openTerminal, type TmuxOptions, type TmuxTerminal } from "../kit/tmux.ts";

const bin = new URL("../../bin/sluice.js", import.meta.url).pathname;
const program = `'${process.execPath}' '${bin}'`;

/** A terminal in which `sluice tcp` runs. */
interface Started extends AsyncDisposable {
  readonly terminal: TmuxTerminal;
  readonly origin: RawOrigin;
  readonly port: number;
}

interface StartOptions extends TmuxOptions {
  readonly flags?: string;
  /** What the shell is told before the command. */
  readonly before?: string;
}

async function start(options: StartOptions = {}): Promise<Started> {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await startRawOrigin(serve));
  const terminal = stack.use(await openTerminal(options));
  const port = await freePort();
  const { flags = "", before = "" } = options;
  await terminal.run(`${before} ${program} tcp 127.0.0.1:${port} ${origin.address} ${flags}`);
  const owned = stack.move();
  return { terminal, origin, port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Before a command: the process that it becomes writes its id to a file. */
function writesPid(file: string): string {
  return `sh -c 'echo $$ > "${file}"; exec "$@"' sh`;
}

/** The menu is there, and its keys are taken. */
async function startMenu(options: StartOptions = {}): Promise<Started> {
  const started = await start(options);
  await started.terminal.shows("q quit");
  return started;
}

/** The first byte says what is wanted: an echo, or the pattern without end. */
async function serve(connection: RawConnection): Promise<void> {
  const wanted = (await connection.readExactly(1)).toString();
  if (wanted === "p") await sendPattern(connection);
  for (let said = await connection.readSome(); said.length > 0; said = await connection.readSome()) {
    await connection.write(said);
  }
}

const PIECE = 64 * 1024;

async function sendPattern(connection: RawConnection): Promise<void> {
  for (let sent = 0; !connection.socket.destroyed; sent += PIECE) {
    await connection.write(patternBytes(PIECE, sent));
  }
}

/** A client that asked for the pattern and checks every byte of it. */
class Download implements AsyncDisposable {
  readonly client: RawClient;
  readonly #verifier = new PatternVerifier();
  #failure: unknown = null;

  constructor(client: RawClient) {
    this.client = client;
    // Nothing is kept: the download may be long.
    client.socket.removeAllListeners("data");
    client.socket.on("data", (chunk: Buffer) => this.#check(chunk));
    void client.write("p");
  }

  get received(): number {
    return this.#verifier.offset;
  }

  #check(chunk: Buffer): void {
    try {
      this.#verifier.write(chunk);
    } catch (error) {
      this.#failure ??= error;
    }
  }

  async gets(bytes: number): Promise<void> {
    const end = this.received + bytes;
    await until(`${bytes} bytes more have come`, () => this.received >= end || this.#failure !== null);
    assert.equal(this.#failure, null);
  }

  /** What comes within a while, bytes a second. */
  async rate(): Promise<number> {
    const [began, before] = [performance.now(), this.received];
    await until("half a second has passed", () => performance.now() - began >= 500);
    return ((this.received - before) * 1000) / (performance.now() - began);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.client[Symbol.asyncDispose]();
  }
}

async function startDownload(port: number): Promise<Download> {
  return new Download(await connectRaw(port));
}

async function startEcho(port: number): Promise<RawClient> {
  const client = await connectRaw(port);
  await client.write("e");
  return client;
}

/** Milliseconds until what was said comes back. */
async function roundTrip(client: RawClient): Promise<number> {
  const began = performance.now();
  await client.write("hello");
  assert.equal((await client.readExactly(5)).toString(), "hello");
  return performance.now() - began;
}

/** The shell has its terminal back as it was: keys are echoed, the cursor shown, the screen its own. */
async function assertRestored({ terminal }: Started): Promise<void> {
  await terminal.shows(/^[$#] *$/m);
  await terminal.run("stty -a; echo over");
  const screen = await terminal.shows(/^over$/m);
  assert.match(screen, /[^-]icanon/);
  assert.match(screen, /[^-]echo /);
  assert.match(screen, /[^-]isig/);
  assert.deepEqual(await terminal.state(), { isAlternateScreen: false, isCursorShown: true });
}

describe("sluice tcp in a terminal", { skip: skipWithout("tmux", "stty") }, () => {
  test("each mode is switched by keys, in colours, while a client transfers data", async () => {
    await using started = await startMenu();
    const { terminal, port } = started;
    await terminal.shows("●a allow");
    assert.match(await terminal.colouredScreen(), COLOUR);
    await using download = await startDownload(port);
    await download.gets(10_000_000);
    await terminal.shows(/Connections 1 .*\n.*client.*\n +127\.0\.0\.1:\d+ .* MB\/s/);

    await terminal.type("h200k");
    await terminal.press("Enter");
    await terminal.shows("throttle 200 kB/s, both ways");
    await until("it is slow", async () => (await download.rate()) < 400_000);
    assert.ok((await download.rate()) > 100_000, "it goes on");

    await using client = await startEcho(port);
    await terminal.type("l");
    await terminal.shows("delay in ms: 100");
    await terminal.type("150");
    await terminal.press("Enter");
    await terminal.shows("latency 150 ms, both ways");
    assert.ok((await roundTrip(client)) >= 299);
    await terminal.type("s");
    await terminal.shows("latency 150 ms, client → server");
    const oneWay = await roundTrip(client);
    assert.ok(oneWay >= 149, `${oneWay} ms`);
    await download.gets(1_000_000);

    await terminal.type("d");
    await terminal.shows("●d deny");
    assert.equal(await closureOf(port), "reset");
    await terminal.shows(/refused +127\.0\.0\.1/);
    await download.gets(1_000_000);
    assert.ok((await roundTrip(client)) < 5000);

    await terminal.type("c");
    assert.equal(await download.client.closed, "reset");
    assert.equal(await client.closed, "reset");
    await terminal.shows("cut all connections");
    await terminal.shows("Connections 0");

    await terminal.press("Up", "Enter");
    await terminal.shows("●a allow");
    await using idle = await startEcho(port);
    assert.ok((await roundTrip(idle)) < 5000);
    await terminal.type("t300");
    await terminal.press("Enter");
    assert.notEqual(await idle.closed, "here");
    await terminal.shows(/timeout +127\.0\.0\.1/);

    await terminal.press("C-c");
    await terminal.shows(/^Listening on 127/m);
    await assertRestored(started);
  });

  test("a wrong value is told under its field, and nothing changes", async () => {
    await using started = await startMenu({ flags: "--mode 'timeout 5s'" });
    const { terminal } = started;
    await terminal.shows("timeout 5000 ms, both ways");
    await terminal.type("hmuch");
    await terminal.press("Enter");
    await terminal.shows(/bytes a second: much\s*\n.*✗ .*bytes a second, such as 250, 10k or 1.5M/);
    await terminal.press("Escape");
    await terminal.shows("q quit");
    await terminal.shows("●t timeout");
    await terminal.type("q");
    await assertRestored(started);
  });

  test("fits into 60x15, and into whatever the window becomes", async () => {
    await using started = await startMenu({ columns: 60, rows: 15 });
    const { terminal, port } = started;
    await using client = await startEcho(port);
    assert.ok((await roundTrip(client)) < 5000);
    const small = await terminal.shows(
      /Connections 1 [\s\S]*127\.0\.0\.1:\d+[\s\S]*Events[\s\S]*opened[\s\S]*q quit/,
    );
    assert.match(small, /●a allow {3}d deny {3}l latency {3}t timeout {3}h throttle/);
    await terminal.resize(100, 30);
    const large = await terminal.shows(/─ Mode ─{93}\n[\s\S]*─ Connections 1 ─{84}\n/);
    assert.equal(large.trimEnd().split("\n").length, 30);
    await terminal.resize(44, 12);
    await terminal.shows(/^ sluice tcp [\s\S]*Events ─{35}\n/);
    await terminal.type("d");
    await terminal.shows("●d deny");
    await terminal.press("C-c");
    await terminal.resize(80, 24);
    await assertRestored(started);
  });

  test("gives the terminal back on SIGTERM", async () => {
    await using directory = await createTemporaryDirectory();
    const file = directory.join("pid");
    await using started = await startMenu({ before: writesPid(file) });
    process.kill(Number(await readFile(file, "utf8")), "SIGTERM");
    await assertRestored(started);
  });

  test("gives the terminal back on a crash, and the error is seen", async () => {
    await using directory = await createTemporaryDirectory();
    const file = directory.join("pid");
    const crash = await directory.write(
      "crash.mjs",
      `import { isMainThread } from "node:worker_threads";
       const crash = () => { throw new Error("a crash on purpose"); };
       if (isMainThread) process.on("SIGUSR2", crash);`,
    );
    await using started = await startMenu({ before: `NODE_OPTIONS='--import ${crash}' ${writesPid(file)}` });
    process.kill(Number(await readFile(file, "utf8")), "SIGUSR2");
    await started.terminal.shows("Error: a crash on purpose");
    await assertRestored(started);
  });

  test("prints lines with --no-menu, and no colours with NO_COLOR", async () => {
    await using plain = await start({ flags: "--no-menu" });
    await plain.terminal.shows(/^Listening on 127/m);
    await using client = await startEcho(plain.port);
    assert.ok((await roundTrip(client)) < 5000);
    await plain.terminal.shows(/Z opened +tcp/);
    assert.equal((await plain.terminal.state()).isAlternateScreen, false);
    await using monochrome = await startMenu({ before: "NO_COLOR=1" });
    await monochrome.terminal.shows("●a allow");
    assert.doesNotMatch(await monochrome.terminal.colouredScreen(), COLOUR);
  });
});

/** A sequence that sets a colour. */
const COLOUR = new RegExp(`${"\u001b"}\\[(?:\\d+;)*3[0-7](?:;\\d+)*m`);
