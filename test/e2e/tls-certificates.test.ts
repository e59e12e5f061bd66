import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { rename } from "node:fs/promises";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Authority, createAuthority, type Identity } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { startSluice } from "../kit/process.ts";
import { startRawOrigin } from "../kit/raw-origin.ts";
import { type TlsVisit, visitSecurely } from "../kit/tls-client.ts";
import { runInside } from "./inside.ts";
import { type RunningSluice, startListening } from "./sluice.ts";
import { startSecureSluice, visit, writeConfig, writeIdentity } from "./tls-sluice.ts";

const FILES = { cert: "cert.pem", key: "key.pem" };
const ROUNDS = 12;
const CLIENTS = 4;
/** Milliseconds between two visits of a client: a load that leaves room for what is watched. */
const PAUSE = 10;

const authority: Authority = await createAuthority();

function fingerprintOf({ cert }: Identity): string {
  return new X509Certificate(cert).fingerprint256;
}

/** Each file is replaced in one step, one after the other, as those who renew certificates do. */
async function exchange(folder: TemporaryDirectory, { cert, key }: Identity): Promise<void> {
  await rename(await folder.write("cert.new", cert), folder.join("cert.pem"));
  await rename(await folder.write("key.new", key), folder.join("key.pem"));
}

/**
 * Clients that shake hands again and again and remember what certificate they saw last; and one that takes up its session each
 * time.
 */
class Visitors {
  readonly failures: string[] = [];
  handshakes = 0;
  resumed = 0;
  readonly #seen = new Map<number, string>();
  readonly #loops: readonly Promise<void>[];
  #isOver = false;

  constructor(sluice: RunningSluice) {
    const strangers = Array.from({ length: CLIENTS }, (_, client) => this.#loop(sluice, client));
    this.#loops = [...strangers, this.#return(sluice)];
  }

  /** True when the last handshake of every client had this certificate. */
  allSaw(fingerprint: string): boolean {
    return this.#seen.size === CLIENTS && [...this.#seen.values()].every((one) => one === fingerprint);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }

  async #return(sluice: RunningSluice): Promise<void> {
    let session: Buffer | null = null;
    while (!this.#isOver) {
      try {
        const seen: TlsVisit = await visit(sluice, session === null ? {} : { session });
        session = seen.session ?? session;
        if (seen.resumed) this.resumed++;
        // What it is given stands in its session: only its handshakes count here.
        this.handshakes++;
      } catch (error) {
        this.failures.push(String(error));
      }
      await delay(PAUSE);
    }
  }

  async #loop(sluice: RunningSluice, client: number): Promise<void> {
    while (!this.#isOver) {
      try {
        const { fingerprint, answer } = await visit(sluice);
        if (!answer.startsWith("HTTP/1.1 200 ")) this.failures.push(answer);
        this.#seen.set(client, fingerprint);
        this.handshakes++;
      } catch (error) {
        this.failures.push(String(error));
      }
      await delay(PAUSE);
    }
  }
}

async function fingerprint(sluice: RunningSluice): Promise<string> {
  return (await visit(sluice)).fingerprint;
}

describe("certificates of a running listener", () => {
  test(`are exchanged ${ROUNDS} times under load, and no handshake fails`, {
    timeout: 180_000,
  }, async (t) => {
    const identities = await Promise.all(Array.from({ length: ROUNDS }, () => authority.issue()));
    await using folder = await createTemporaryDirectory();
    await writeIdentity(folder, await authority.issue());
    await using sluice = await startSecureSluice(folder, FILES, { flags: ["--threads", "2"] });
    const visitors = new Visitors(sluice);
    const times: number[] = [];
    for (const identity of identities) {
      const print = fingerprintOf(identity);
      await exchange(folder, identity);
      const start = performance.now();
      await until("all clients get the new certificate", () => visitors.allSaw(print));
      times.push(performance.now() - start);
    }
    await visitors.stop();
    assert.deepEqual(visitors.failures, []);
    assert.ok(visitors.resumed > ROUNDS, "sessions go on under other certificates");
    const exchanged = sluice.program.stderr.match(/Certificate of localhost was exchanged/g) ?? [];
    assert.equal(exchanged.length, ROUNDS, "each is logged once, not by every thread");
    times.sort((a, b) => a - b);
    const [median, slowest] = [times[ROUNDS / 2]!, times.at(-1)!].map(Math.round);
    t.diagnostic(`${visitors.handshakes} handshakes; served after ${median} ms, at most ${slowest} ms`);
  });

  test("stay when their file becomes unusable, which is logged, in a single thread, too", async () => {
    await using folder = await createTemporaryDirectory();
    const [before, after] = [await authority.issue(), await authority.issue()];
    await writeIdentity(folder, before);
    await using sluice = await startSecureSluice(folder, FILES, { flags: ["--threads", "0"] });
    await folder.write("cert.pem", "half a file");
    await sluice.program.line(
      /cert\.pem: holds no certificate in PEM.*can't be used: what was there before stays/,
    );
    assert.equal(await fingerprint(sluice), fingerprintOf(before));
    await exchange(folder, after);
    await until("it is served", async () => (await fingerprint(sluice)) === fingerprintOf(after));
  });

  test("are exchanged on TCP listeners, too", async () => {
    await using folder = await createTemporaryDirectory();
    const [before, after] = [await authority.issue(), await authority.issue()];
    await writeIdentity(folder, before);
    await using echo = await startRawOrigin(({ socket }) => void socket.pipe(socket));
    const listener = { protocol: "tcp", upstream: echo.address, respond: undefined };
    await using sluice = await startSecureSluice(folder, FILES, { listener, flags: ["--threads", "2"] });
    const { fingerprint: first, answer, session } = await visitSecurely(sluice.port);
    assert.deepEqual([first, answer], [fingerprintOf(before), "ping"]);
    await exchange(folder, after);
    await until("it is served", async () => {
      return (await visitSecurely(sluice.port)).fingerprint === fingerprintOf(after);
    });
    for (let i = 0; i < 8; i++) {
      assert.equal((await visitSecurely(sluice.port, { session: session! })).resumed, true);
    }
  });

  test("that have expired are served, with a warning", async () => {
    await using folder = await createTemporaryDirectory();
    await writeIdentity(folder, await authority.issue({ days: -2 }));
    await using sluice = await startSecureSluice(folder, FILES, { flags: ["--threads", "0"] });
    await sluice.program.line(/cert\.pem: expired at/);
    assert.match((await visit(sluice)).answer, /^HTTP\/1\.1 200 /);
  });
});

/** Ends its thread when somebody asks for it. */
const CRASHING = `
  import { defineProxy } from "${new URL("../../src/index.ts", import.meta.url).href}";
  export default defineProxy({
    requestFilter(session) {
      if (session.request.path === "/crash") process.exit(7);
      return session.respond({ status: 200, body: "ok" });
    },
    upstreamPeer() { throw new Error("nobody gets here"); },
  });
`;

test("a thread that replaces a crashed one serves the current certificate", async () => {
  await using folder = await createTemporaryDirectory();
  const [before, after] = [await authority.issue(), await authority.issue()];
  await writeIdentity(folder, before);
  const program = await folder.write("crash.ts", CRASHING);
  const file = await writeConfig(folder, FILES);
  await using sluice = await startListening(["run", program, "-c", file, "--threads", "1"]);
  const { session } = await visit(sluice);
  await exchange(folder, after);
  await sluice.program.line(/Certificate of localhost was exchanged/);
  await assert.rejects(visit(sluice, {}, "/crash"));
  await sluice.program.line(/A crashed worker was replaced/);
  assert.equal(await fingerprint(sluice), fingerprintOf(after));
  assert.equal((await visit(sluice, { session: session! })).resumed, true, "ticket keys are the same");
});

describe("files that can't be used at the start", () => {
  const tls = { certificates: [{ cert: "missing.pem" }, { cert: "cert.pem", key: "other.key" }] };

  async function write(folder: TemporaryDirectory): Promise<string> {
    await writeIdentity(folder, await authority.issue());
    await folder.write("other.key", (await authority.issue()).key);
    return await writeConfig(folder, tls);
  }

  test("end it with the file's name", async () => {
    await using folder = await createTemporaryDirectory();
    await using program = await startSluice(["run", await write(folder), "--threads", "2"]);
    assert.deepEqual(await program.exit(), { code: 1, signal: null });
    assert.match(
      program.stderr,
      /^sluice: Service web could not start: \S+\/missing\.pem: there is no such file\n$/,
    );
  });

  test("are all told by sluice run -t", async () => {
    await using folder = await createTemporaryDirectory();
    const file = await write(folder);
    const { code, stdout, stderr } = await runInside(["run", "-t", file]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /sluice\.yaml: listener web: \S+\/missing\.pem: there is no such file\n/);
    assert.match(
      stderr,
      /sluice\.yaml: listener web: \S+\/other\.key: is not the key of the certificate in /,
    );
  });
});
