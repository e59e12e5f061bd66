import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import { SettingId } from "../../src/http2/settings.ts";
import type { Session } from "../../src/proxy/session.ts";
import { createAuthority } from "../kit/certificates.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { literals, type Pair } from "../kit/hpack.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { CLIENT_START, frame, uint32 } from "../kit/http2-frames.ts";
import { startOrigin } from "../kit/origins.ts";
import { createRandom, type Random } from "../kit/random.ts";
import { tlsWith, writeIdentity } from "../kit/tls-proxy.ts";
import { type ProxyUnderTest, startProxy } from "./proxy.ts";

/*
 * FUZZ_ITERATIONS=20000 FUZZ_SEED=7 node --test test/e2e/http2-fuzz.test.ts
 *
 * Clients that say whatever comes to their minds, most of it well-formed, and leave in the middle of it: nothing of them
 * may be left behind, and the next one is answered.
 */
const iterations = Number(process.env["FUZZ_ITERATIONS"] ?? 60);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1);
const AT_ONCE = 20;

const PATHS = [
  "/ok",
  "/endless",
  "/waiting",
  "/read",
  "/large",
  "/throws",
  "/bytes/300000",
  "/echo",
  "/upload",
  "/held",
];
const SIZES = [0, 1, 100, 16_384, 65_535, 1_000_000, 0x7fff_ffff];

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.alloc(10_000);
}

/** What answers here; anything else goes to the server. */
const own: Readonly<Record<string, (session: Session) => boolean | Promise<boolean>>> = {
  "/ok": (session) => session.respond({ status: 200, body: "ok" }),
  "/endless": (session) => session.respond({ status: 200, body: endless() }),
  "/waiting": () => new Promise(() => {}),
  "/read": async (session) => session.respond({ status: 200, body: await session.readBody() }),
  "/large": (session) => session.respond({ status: 200, body: Buffer.alloc(300_000) }),
  "/throws": () => {
    throw new Error("on purpose");
  },
};

function requestFilter(session: Session): boolean | Promise<boolean> {
  return own[session.request.target]?.(session) ?? false;
}

/** What one client says. Half of them keep to the rules of the connection, so that more comes of the rest. */
class Speaker {
  readonly #random: Random;
  readonly #isTame: boolean;
  /** Streams that it hasn't ended. */
  readonly #open: number[] = [];
  #next = 1;

  constructor(random: Random) {
    this.#random = random;
    this.#isTame = random.below(2) === 0;
  }

  #chance(one: number): boolean {
    return this.#random.below(one) === 0;
  }

  /** A stream on which it may still send, mostly. */
  #anyId(): number {
    const { below, pick } = this.#random;
    if (!this.#isTame && this.#chance(20)) return below(400);
    return this.#open.length === 0 ? this.#next : pick(this.#open);
  }

  #close(id: number): void {
    const at = this.#open.indexOf(id);
    if (at !== -1 && (this.#isTame || !this.#chance(10))) this.#open.splice(at, 1);
  }

  #anyBytes(most: number): Buffer {
    return Buffer.alloc(this.#random.below(most), this.#random.below(256));
  }

  #fields(): Pair[] {
    const { below, pick } = this.#random;
    const fields: Pair[] = [
      [":method", pick(["GET", "POST", "HEAD", "PUT"])],
      [":scheme", "http"],
      [":authority", "a"],
      [":path", pick(PATHS)],
    ];
    if (this.#chance(8)) fields.push(["content-length", String(below(3) * 50)]);
    if (this.#chance(8)) fields.push(["priority", `u=${below(9)}${pick(["", ", i"])}`]);
    if (this.#chance(15)) fields.push(["expect", "100-continue"]);
    if (this.#chance(20)) fields.push([pick(["connection", "Upper", "te", "x-y"]), "some"]);
    return fields;
  }

  #request(): Buffer {
    const block = literals(this.#fields());
    const id = this.#next;
    this.#next += 2;
    const isEnd = this.#chance(2);
    if (!isEnd) this.#open.push(id);
    const end = isEnd ? FrameFlag.EndStream : 0;
    if (!this.#chance(6)) return frame(FrameType.Headers, FrameFlag.EndHeaders | end, id, block);
    const cut = this.#random.below(block.length);
    const rest = frame(FrameType.Continuation, FrameFlag.EndHeaders, id, block.subarray(cut));
    return Buffer.concat([frame(FrameType.Headers, end, id, block.subarray(0, cut)), rest]);
  }

  #data(): Buffer {
    const id = this.#anyId();
    const isEnd = this.#chance(3);
    if (isEnd) this.#close(id);
    const bytes = this.#anyBytes(this.#chance(5) ? 16_000 : 60);
    return frame(FrameType.Data, isEnd ? FrameFlag.EndStream : 0, id, bytes);
  }

  #trailers(): Buffer {
    const id = this.#anyId();
    const isEnd = !this.#chance(4);
    if (isEnd) this.#close(id);
    const flags = FrameFlag.EndHeaders | (isEnd ? FrameFlag.EndStream : 0);
    return frame(FrameType.Headers, flags, id, literals([["x-trailer", "1"]]));
  }

  #reset(): Buffer {
    const id = this.#anyId();
    this.#close(id);
    return frame(FrameType.ResetStream, 0, id, uint32(8));
  }

  #size(): number {
    const size = this.#random.pick(SIZES);
    return this.#isTame ? Math.min(Math.max(size, 1), 1_000_000) : size;
  }

  #window(): Buffer {
    const id = this.#chance(2) ? 0 : this.#anyId();
    return frame(FrameType.WindowUpdate, 0, id, uint32(id > 0 && this.#chance(10) ? 0 : this.#size()));
  }

  #settings(): Buffer {
    const id = this.#random.pick([SettingId.InitialWindowSize, SettingId.HeaderTableSize, 0x99]);
    const value = uint32(this.#chance(3) ? 0 : this.#size());
    return frame(FrameType.Settings, 0, 0, Buffer.concat([Buffer.from([0, id]), value]));
  }

  #rare(): Buffer {
    const { below, pick } = this.#random;
    const told = Buffer.concat([uint32(this.#next + 2 * below(5)), Buffer.from(`u=${below(9)}`)]);
    if (this.#chance(20)) return frame(FrameType.Goaway, 0, 0, uint32(0, this.#isTame ? 0 : below(3)));
    const type = this.#isTame ? 0x20 + below(200) : below(256);
    return pick([
      frame(FrameType.Ping, below(2), 0, "12345678"),
      frame(FrameType.Settings, FrameFlag.Ack, 0),
      frame(FrameType.PriorityUpdate, 0, 0, told),
      frame(FrameType.Priority, 0, this.#anyId(), "\0\0\0\0\x10"),
      frame(type, below(256), this.#anyId(), this.#anyBytes(40)),
    ]);
  }

  /** Some frame. */
  say(): Buffer {
    const asks = this.#next === 1 || (this.#isTame && this.#open.length === 0);
    const lot = asks ? 0 : this.#random.below(20);
    if (lot < 8) return this.#request();
    if (lot < 13) return this.#data();
    if (lot === 13) return this.#trailers();
    if (lot < 16) return this.#window();
    if (lot === 16) return this.#reset();
    return lot === 17 ? this.#settings() : this.#rare();
  }
}

/** A connection and what it goes over, which is itself without TLS: only that can be reset. */
async function open(port: number, isSecure: boolean): Promise<readonly [Socket, Socket]> {
  const carrier = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  if (!isSecure) {
    await once(carrier, "connect");
    return [carrier, carrier];
  }
  carrier.on("error", () => {});
  const socket: TLSSocket = connectTls({
    socket: carrier,
    servername: "localhost",
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
  });
  await once(socket, "secureConnect");
  return [socket, carrier];
}

/** One client: says something, piece by piece, and leaves in one way or another. */
async function visit(proxy: ProxyUnderTest, seed: number, isSecure: boolean): Promise<void> {
  const random = createRandom(seed);
  const speaker = new Speaker(random);
  const [socket, carrier] = await open(proxy.port, isSecure);
  socket.on("error", () => {});
  socket.on("end", () => socket.end());
  const closed = once(socket, "close");
  if (random.below(4) > 0) socket.resume();
  socket.write(CLIENT_START);
  const frames = Array.from({ length: 1 + random.below(80) }, () => speaker.say());
  const all = Buffer.concat(frames);
  for (let at = 0; at < all.length && socket.writable; ) {
    const end = Math.min(all.length, at + 1 + random.below(4_000));
    socket.write(all.subarray(at, end));
    at = end;
    if (random.below(3) === 0) await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  leave(socket, carrier, random.below(4));
  await closed;
}

function leave(socket: Socket, carrier: Socket, how: number): void {
  // One that is being ended can't be reset any more.
  if (how === 1 && socket.writable) carrier.resetAndDestroy();
  else if (how < 2) socket.destroy();
  else {
    // Waits for the proxy to lose its patience, having ended its direction or not.
    socket.resume();
    if (how === 2) socket.end();
  }
}

async function visitAll(http2: boolean, isSecure: boolean): Promise<void> {
  await using origin = await startOrigin({ http2 });
  await using directory = await createTemporaryDirectory();
  const authority = await createAuthority();
  const certificate = await writeIdentity(directory, "server", await authority.issue());
  const patience = 400;
  await using proxy = await startProxy({
    origin,
    peer: { protocol: http2 ? "h2c" : "http1" },
    phases: { requestFilter },
    settings: {
      headTimeout: patience,
      bodyTimeout: patience,
      keepAliveTimeout: patience,
      writeTimeout: patience,
    },
    http2: { settingsTimeout: 0, pingInterval: patience, pingTimeout: patience },
    requestTimeout: 5 * patience,
    ...(isSecure ? { tls: tlsWith([certificate]) } : {}),
  });
  const visits = isSecure ? iterations / 2 : iterations;
  for (let i = 0; i < visits; i += AT_ONCE) {
    const seeds = Array.from({ length: AT_ONCE }, (_, k) => firstSeed + i + k);
    await Promise.all(seeds.map((seed) => visit(proxy, seed, isSecure)));
    await settledAfter(proxy, seeds);
    await using well = new Http2Client(
      proxy.port,
      isSecure ? { ca: authority.cert, servername: "localhost" } : {},
    );
    assert.equal((await well.get("/ok")).status, 200);
  }
  const strange = proxy.reported.filter(({ error }) => error.source === "internal" && !isExpected(error));
  assert.deepEqual(strange, []);
}

for (const version of [1, 2]) {
  const name = `clients that say anything leave nothing behind, with a server of HTTP/${version}`;
  test(name, { timeout: 600_000 }, () => visitAll(version === 2, false));
}

test("the same over TLS", { timeout: 600_000 }, () => visitAll(true, true));

/** What the filters above and the timeouts make. */
function isExpected({ code, message }: { readonly code: string; readonly message: string }): boolean {
  return code === "REQUEST_TIMEOUT" || (code === "FILTER_FAILED" && message.includes("on purpose"));
}

async function settledAfter(proxy: ProxyUnderTest, seeds: readonly number[]): Promise<void> {
  try {
    await proxy.settled();
  } catch (cause) {
    throw new Error(`after seeds ${seeds[0]} to ${seeds.at(-1)}`, { cause });
  }
}
