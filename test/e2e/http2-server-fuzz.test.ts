import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameFlag, FrameType } from "../../src/http2/frames.ts";
import { SettingId } from "../../src/http2/settings.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { literals, type Pair } from "../kit/hpack.ts";
import { type FrameConnection, startFrameServer } from "../kit/http2-frame-server.ts";
import { frame, uint32 } from "../kit/http2-frames.ts";
import { createRandom, type Random } from "../kit/random.ts";
import { type ProxyUnderTest, request, startProxy } from "./proxy.ts";

/*
 * FUZZ_ITERATIONS=20000 FUZZ_SEED=7 node --test test/e2e/http2-server-fuzz.test.ts
 *
 * Servers that say whatever comes to their minds, most of it well-formed: each request is answered or cut, what a client takes
 * for a whole answer is one, nothing is left behind, and the next server is asked as if nothing had been.
 */
const iterations = Number(process.env["FUZZ_ITERATIONS"] ?? 200);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1);
const AT_ONCE = 20;
const { EndStream, EndHeaders } = FrameFlag;
const SIZES = [0, 1, 100, 16_384, 65_535, 1_000_000, 0x7fff_ffff];

/** What a server has said on one stream. */
interface Said {
  bytes: number;
  ended: boolean;
}

/** By `x-said` of a response: what its server has said on that stream. */
type Ledger = Map<string, Said>;

/** What one server says. Half of them keep to the rules of the connection, so that more comes of the rest. */
class Speaker {
  readonly #random: Random;
  readonly #isTame: boolean;
  readonly #connection: FrameConnection;
  readonly #name: string;
  readonly #ledger: Ledger;

  constructor(random: Random, connection: FrameConnection, name: string, ledger: Ledger) {
    this.#random = random;
    this.#isTame = random.below(2) === 0;
    this.#connection = connection;
    this.#name = name;
    this.#ledger = ledger;
  }

  #chance(one: number): boolean {
    return this.#random.below(one) === 0;
  }

  #anyId(): number {
    const { below, pick } = this.#random;
    if (!this.#isTame && this.#chance(20)) return below(400);
    return pick([...this.#connection.streams.keys()]);
  }

  #said(id: number): Said {
    return this.#ledger.getOrInsertComputed(`${this.#name}-${id}`, () => ({ bytes: 0, ended: false }));
  }

  #head(): Buffer {
    const { below, pick } = this.#random;
    const id = this.#anyId();
    const status = this.#chance(5) ? pick(["100", "103", "204", "304", "101", "2x"]) : "200";
    const fields: Pair[] = [
      [":status", status],
      ["x-said", `${this.#name}-${id}`],
    ];
    if (this.#chance(4)) fields.push(["content-length", String(below(3) * 50)]);
    if (this.#chance(20)) fields.push([pick(["connection", "Upper", ":path", "x-y"]), "some"]);
    const isEnd = this.#chance(6);
    if (isEnd) this.#said(id).ended = true;
    const block = literals(fields);
    const end = isEnd ? EndStream : 0;
    if (!this.#chance(6)) return frame(FrameType.Headers, EndHeaders | end, id, block);
    const cut = below(block.length);
    const rest = frame(FrameType.Continuation, EndHeaders, id, block.subarray(cut));
    return Buffer.concat([frame(FrameType.Headers, end, id, block.subarray(0, cut)), rest]);
  }

  #data(): Buffer {
    const id = this.#anyId();
    const said = this.#said(id);
    const isEnd = this.#chance(3);
    const bytes = Buffer.alloc(this.#random.below(this.#chance(3) ? 16_000 : 60));
    if (!said.ended) said.bytes += bytes.length;
    said.ended ||= isEnd;
    return frame(FrameType.Data, isEnd ? EndStream : 0, id, bytes);
  }

  #trailers(): Buffer {
    const id = this.#anyId();
    const isEnd = !this.#chance(4);
    if (isEnd) this.#said(id).ended = true;
    return frame(FrameType.Headers, EndHeaders | (isEnd ? EndStream : 0), id, literals([["x-trailer", "1"]]));
  }

  #size(): number {
    const size = this.#random.pick(SIZES);
    return this.#isTame ? Math.min(Math.max(size, 1), 1_000_000) : size;
  }

  #window(): Buffer {
    const id = this.#chance(2) ? 0 : this.#anyId();
    return frame(FrameType.WindowUpdate, 0, id, uint32(this.#size()));
  }

  #settings(): Buffer {
    const { pick } = this.#random;
    const { InitialWindowSize, HeaderTableSize, MaxConcurrentStreams } = SettingId;
    const id = pick([InitialWindowSize, HeaderTableSize, MaxConcurrentStreams, 0x99]);
    return frame(FrameType.Settings, 0, 0, Buffer.concat([Buffer.of(0, id), uint32(this.#size())]));
  }

  #rare(): Buffer {
    const { below, pick } = this.#random;
    const highest = Math.max(...this.#connection.streams.keys());
    const type = this.#isTame ? 0x20 + below(200) : below(256);
    return pick([
      frame(FrameType.Goaway, 0, 0, uint32(pick([0, highest, 0x7fff_ffff]), below(3))),
      frame(FrameType.ResetStream, 0, this.#anyId(), uint32(below(14))),
      frame(FrameType.Ping, below(2), 0, "12345678"),
      frame(FrameType.Settings, FrameFlag.Ack, 0),
      frame(FrameType.Priority, 0, this.#anyId(), "\0\0\0\0\x10"),
      frame(type, below(256), this.#anyId(), Buffer.alloc(below(40), below(256))),
    ]);
  }

  /** Some frame. */
  say(): Buffer {
    const lot = this.#random.below(20);
    if (lot < 7) return this.#head();
    if (lot < 14) return this.#data();
    if (lot === 14) return this.#trailers();
    if (lot === 15) return this.#window();
    return lot === 16 ? this.#settings() : this.#rare();
  }
}

/** Answers all requests for `/well` as they are, and says anything to the others. */
function strange(ledger: Ledger) {
  return async (connection: FrameConnection, index: number): Promise<void> => {
    const random = createRandom(firstSeed * 100_003 + index);
    const speaker = new Speaker(random, connection, String(index), ledger);
    for (let i = 0; ; i++) {
      await connection.request(i);
      for (let left = 1 + random.below(8); left > 0; left--) connection.sendRaw(speaker.say());
      if (random.below(40) === 0) connection.close();
    }
  };
}

/** One client's request, and whatever comes of it. */
async function visit(proxy: ProxyUnderTest, seed: number, ledger: Ledger): Promise<void> {
  const random = createRandom(seed);
  const client = await proxy.connect();
  const method = random.pick(["GET", "GET", "HEAD", "POST"]);
  const size = method === "POST" ? random.below(200_000) : 0;
  void client
    .write(request(`${method} /${seed}`, ...(size > 0 ? [`Content-Length: ${size}`] : [])))
    .catch(ignore);
  if (size > 0) void client.write(Buffer.alloc(size)).catch(ignore);
  if (random.below(10) === 0) {
    await client.readSome().catch(ignore);
    client.reset();
    return;
  }
  const response = await client.readResponse({ method }).catch(ignore);
  client.destroy();
  if (response === undefined || method === "HEAD" || response.status !== 200) return;
  // By its length it is whole as soon as so much has come, however its stream ends.
  if (response.header("content-length") !== undefined) return;
  const said = ledger.get(response.header("x-said") ?? "");
  assert.ok(said?.ended === true, `${seed}: a part was passed off as the whole`);
  assert.equal(response.body.length, said.bytes, `${seed}: another body than was sent`);
}

function ignore(): undefined {}

test("servers that say anything leave nothing behind", { timeout: 600_000 }, async () => {
  const ledger: Ledger = new Map();
  await using origin = await startFrameServer(strange(ledger));
  await using well = await startFrameServer(async (connection) => {
    for (let i = 0; ; i++) await connection.answer(await connection.request(i), "ok");
  });
  const patience = { firstByteTimeout: 400, readTimeout: 400, writeTimeout: 400, connectTimeout: 400 };
  await using proxy = await startProxy({
    phases: {
      // Few requests share a server's connections, lest one that takes no more has all the others wait.
      upstreamPeer: ({ request: { target } }) =>
        new HttpPeer(`127.0.0.1:${target === "/well" ? well.port : origin.port}`, {
          protocol: "h2c",
          group: target === "/well" ? "" : String(Math.floor(Number(target.slice(1)) / 5)),
          ...patience,
        }),
    },
  });
  for (let done = 0; done < iterations; done += AT_ONCE) {
    const seeds = Array.from({ length: AT_ONCE }, (_, i) => firstSeed + done + i);
    await Promise.all(seeds.map((seed) => visit(proxy, seed, ledger)));
    const client = await proxy.connect();
    assert.equal((await client.exchange(request("GET /well"))).body.toString(), "ok");
    client.destroy();
  }
  await proxy.settled();
  assert.ok(origin.connections.length > iterations / 50, "hardly any connection was broken");
});
