import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CODINGS } from "../../src/filters/coding/coding-settings.ts";
import { ContentCoding, type ContentCodingOptions } from "../../src/filters/coding/content-coding.ts";
import type { ProxyPhases } from "../../src/proxy/phases.ts";
import { until } from "../kit/deadline.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { type CachingProxy, field, MAX_AGE, startCaching, statusOf } from "./caching.ts";
import { DECODERS, PLAIN, response } from "./coding.ts";
import type { Answer } from "./proxy.ts";

const TEXT = "The quick brown fox jumps over the lazy dog. ".repeat(100);
const LONG_TEXT = Array.from({ length: 12_000 }, (_, i) => `line ${i} of a text`).join("\n");
const GZIP = "Accept-Encoding: gzip";
const MODIFIED = "Tue, 01 Sep 2026 00:00:00 GMT";
const TAGGED: Answer = response(
  TEXT,
  ...[PLAIN, MAX_AGE, 'ETag: "a"', "Content-Digest: x", `Last-Modified: ${MODIFIED}`],
);

function startCoded(
  answer: Answer,
  phases: Partial<ProxyPhases<undefined>> = {},
  options: ContentCodingOptions = { compress: {} },
): Promise<CachingProxy> {
  const coding = new ContentCoding(options);
  return startCaching(answer, {
    proxy: { phases: { earlyRequestFilter: (session) => coding.use(session), ...phases } },
  });
}

/** What stands in the store, whatever it is of. */
function entriesOf({ store }: CachingProxy): number {
  return store.stats.entries;
}

/** Whatever their order. */
function fieldsOf({ headers }: RawResponse): readonly string[] {
  return headers.map(([name, value]) => `${name.toLowerCase()}: ${value}`).sort();
}

function codedText(got: RawResponse): string {
  const coding = CODINGS.find((one) => one === field(got, "content-encoding"));
  return (coding === undefined || got.body.length === 0 ? got.body : DECODERS[coding](got.body)).toString();
}

describe("what is stored and asked for coded", () => {
  for (const [what, text] of [
    ["short", TEXT],
    ["long", LONG_TEXT.slice(0, 200_000)],
  ] as const)
    for (const coding of CODINGS)
      test(`is coded once where it is ${what}: ${coding}`, async () => {
        await using proxy = await startCoded(response(text, PLAIN, MAX_AGE, 'ETag: "a"'));
        await proxy.ask("GET /");
        assert.equal(entriesOf(proxy), 1);
        const first = await proxy.ask("GET /", `Accept-Encoding: ${coding}`);
        assert.equal(entriesOf(proxy), 2);
        const second = await proxy.ask("GET /", `Accept-Encoding: ${coding}`);
        for (const got of [first, second]) {
          assert.equal(field(got, "content-encoding"), coding);
          assert.deepEqual([field(got, "etag"), field(got, "vary")], ['W/"a"', "Accept-Encoding"]);
          assert.equal(field(got, "content-length"), `${got.body.length}`);
          assert.match(statusOf(got), /^sluice; hit/);
          assert.equal(codedText(got), text);
        }
        assert.deepEqual(second.body, first.body);
        const plain = await proxy.ask("GET /");
        assert.deepEqual([plain.body.toString(), field(plain, "etag")], [text, '"a"']);
        assert.deepEqual([entriesOf(proxy), proxy.asked.length], [2, 1]);
      });

  test("is the copy, and isn't coded anew", async () => {
    let coded = 0;
    let heads = 0;
    const coding = new ContentCoding({ compress: {} });
    const answer: Answer = ({ header }) =>
      header("if-none-match") === undefined
        ? (TAGGED as Buffer)
        : `HTTP/1.1 304 Not Modified\r\n${MAX_AGE}\r\nETag: "a"\r\nX-New: 1\r\n\r\n`;
    await using proxy = await startCaching(answer, {
      proxy: {
        phases: {
          earlyRequestFilter(session) {
            session.coding = {
              decode: () => null,
              choose: (...args) => coding.choose(...args),
              encode(request, head, length) {
                const way = coding.encode(request, head, length);
                heads++;
                if (way === null) return null;
                return {
                  name: way.name,
                  isQuick: way.isQuick,
                  get forCopies() {
                    return this;
                  },
                  open(...args) {
                    coded++;
                    return way.open(...args);
                  },
                };
              },
            };
          },
        },
      },
    });
    const ask = async (): Promise<RawResponse> => {
      const got = await proxy.ask("GET /", GZIP);
      assert.ok(codedText(got) === TEXT);
      return got;
    };
    await ask();
    const first = await ask();
    const known = heads;
    for (let i = 0; i < 3; i++) assert.deepEqual(fieldsOf(await ask()), fieldsOf(first));
    // For who asked first, and then for all; and the head is there, too.
    assert.deepEqual([coded, heads], [2, known]);
    proxy.clock.now += 61_000;
    for (let i = 0; i < 2; i++) await ask();
    const renewed = heads;
    for (let i = 0; i < 3; i++) assert.equal(field(await ask(), "x-new"), "1");
    assert.deepEqual([coded, heads], [2, renewed]);
    const head = await proxy.ask("HEAD /", GZIP);
    const { length } = (await proxy.ask("GET /", GZIP)).body;
    assert.deepEqual([field(head, "content-length"), coded], [`${length}`, 2]);
  });

  test("is coded with more work where that is asked for, with nobody waiting for it", async () => {
    const options = { compress: { levels: { br: 1 }, cachedLevels: { br: 9, gzip: 9 } } };
    await using proxy = await startCoded(response(TEXT, PLAIN, MAX_AGE), {}, options);
    await proxy.ask("GET /");
    const first = await proxy.ask("GET /", "Accept-Encoding: br");
    assert.equal(codedText(first), TEXT);
    // Until it is there, clients get what is coded on the way to them.
    for (let { length } = first.body; length === first.body.length; ) {
      const next = await proxy.ask("GET /", "Accept-Encoding: br");
      assert.equal(codedText(next), TEXT);
      assert.ok(next.body.length <= length);
      length = next.body.length;
    }
  });

  test("is awaited by all who ask meanwhile, and stored once", async () => {
    await using proxy = await startCoded(response(LONG_TEXT.slice(0, 200_000), PLAIN, MAX_AGE));
    await proxy.ask("GET /");
    const answers = await Promise.all(Array.from({ length: 8 }, () => proxy.ask("GET /", GZIP)));
    for (const got of answers) assert.equal(codedText(got), LONG_TEXT.slice(0, 200_000));
    assert.deepEqual([entriesOf(proxy), proxy.asked.length], [2, 1]);
  });

  test("is coded once for all who wait for it to be fetched", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const whole = response(TEXT, PLAIN, MAX_AGE);
    await using proxy = await startCoded(async (_request, connection) => {
      await connection.write(whole.subarray(0, -1_000));
      await promise;
      return whole.subarray(-1_000);
    });
    const answers = Promise.all(Array.from({ length: 8 }, () => proxy.ask("GET /", GZIP)));
    // All but who has it fetched share what is coded, which has a length.
    await until("all wait", () => proxy.proxy.count("requestsActive") === 8);
    await until("one is fetched", () => proxy.asked.length === 1);
    resolve();
    const got = await answers;
    assert.ok(got.every((one) => codedText(one) === TEXT));
    assert.equal(got.filter((one) => field(one, "content-length") !== null).length, 7);
    assert.deepEqual([entriesOf(proxy), proxy.asked.length], [2, 1]);
  });

  test("is coded for others when who asked first is gone", async () => {
    await using proxy = await startCoded(response(LONG_TEXT.slice(0, 200_000), PLAIN, MAX_AGE));
    await proxy.ask("GET /");
    const gone = await proxy.proxy.connect();
    await gone.write(`GET / HTTP/1.1\r\nHost: example.com\r\n${GZIP}\r\n\r\n`);
    gone.destroy();
    await until("it is stored", () => entriesOf(proxy) === 2);
    assert.equal(codedText(await proxy.ask("GET /", GZIP)).length, 200_000);
  });
});

test("copies in a store that takes its time, or has no room, are made without harm", async () => {
  await using proxy = await startCoded(TAGGED);
  await proxy.ask("GET /");
  const { promise, resolve } = Promise.withResolvers<void>();
  proxy.store.gate = promise;
  const slow = Promise.all([proxy.ask("GET /", GZIP), proxy.ask("HEAD /", GZIP), proxy.ask("GET /", GZIP)]);
  proxy.store.room = 10;
  resolve();
  assert.deepEqual((await slow).map(codedText), [TEXT, "", TEXT]);
  assert.equal(entriesOf(proxy), 1);
  proxy.store.room = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 2; i++) assert.equal(codedText(await proxy.ask("GET /", GZIP)), TEXT);
  assert.equal(entriesOf(proxy), 2);
});

describe("a coded copy", () => {
  test("is of what is stored now", async () => {
    let text = TEXT;
    await using proxy = await startCoded(() => response(text, PLAIN, MAX_AGE));
    await proxy.ask("GET /");
    await proxy.ask("GET /", GZIP);
    text = text.toUpperCase();
    proxy.clock.now += 61_000;
    for (let i = 0; i < 3; i++) assert.equal(codedText(await proxy.ask("GET /", GZIP)), text);
    assert.deepEqual([entriesOf(proxy), proxy.asked.length], [2, 2]);
  });

  test("holds on when the server says that what it was made of does", async () => {
    await using proxy = await startCoded(({ header }) =>
      header("if-none-match") === '"a"'
        ? `HTTP/1.1 304 Not Modified\r\n${MAX_AGE}\r\nETag: "a"\r\nX-New: 1\r\n\r\n`
        : response(TEXT, PLAIN, MAX_AGE, 'ETag: "a"'),
    );
    await proxy.ask("GET /");
    const first = await proxy.ask("GET /", GZIP);
    proxy.clock.now += 61_000;
    const second = await proxy.ask("GET /", GZIP);
    assert.match(statusOf(second), /fwd-status=304/);
    assert.deepEqual([second.body, field(second, "x-new")], [first.body, "1"]);
    const known = await proxy.ask("GET /", GZIP, 'If-None-Match: W/"a"');
    assert.deepEqual([known.status, field(known, "etag")], [304, 'W/"a"']);
    const strong = await proxy.ask("GET /", 'If-None-Match: "a"');
    assert.deepEqual([strong.status, field(strong, "etag")], [304, '"a"']);
    assert.deepEqual([entriesOf(proxy), proxy.asked.length], [2, 2]);
  });

  test("goes with what it was made of", async () => {
    await using proxy = await startCoded(TAGGED);
    await proxy.ask("GET /");
    await proxy.ask("GET /", GZIP);
    await proxy.ask("POST /", "Content-Length: 0");
    const got = await proxy.ask("GET /", GZIP);
    assert.match(statusOf(got), /fwd=uri-miss/);
    assert.equal(proxy.asked.length, 3);
  });

  test("is of a variant where responses vary", async () => {
    await using proxy = await startCoded(({ header }) =>
      response(`${header("x-name")} ${TEXT}`, PLAIN, MAX_AGE, "Vary: X-Name"),
    );
    for (let i = 0; i < 3; i++)
      for (const name of ["one", "two"]) {
        const got = await proxy.ask("GET /", GZIP, `X-Name: ${name}`);
        assert.deepEqual(
          [codedText(got), field(got, "vary")],
          [`${name} ${TEXT}`, "X-Name, Accept-Encoding"],
        );
      }
    assert.equal(proxy.asked.length, 2);
  });

  test("isn't made of parts, nor for ranges, which are of the body as it is", async () => {
    await using proxy = await startCoded(TAGGED);
    await proxy.ask("GET /");
    const part = await proxy.ask("GET /", GZIP, "Range: bytes=4-8");
    assert.deepEqual([part.status, part.body.toString(), field(part, "etag")], [206, "quick", '"a"']);
    for (const known of ['W/"a"', MODIFIED]) {
      const whole = await proxy.ask("GET /", GZIP, "Range: bytes=4-8", `If-Range: ${known}`);
      assert.deepEqual([whole.status, codedText(whole)], [200, TEXT], known);
    }
    assert.equal((await proxy.ask("GET /", GZIP, "Range: bytes=4-8", 'If-Range: "a"')).status, 206);
    assert.equal(entriesOf(proxy), 2);
  });

  test("isn't made of what stays as it is", async () => {
    const answers: Record<string, Answer> = {
      "/image": response(TEXT, "Content-Type: image/png", MAX_AGE),
      "/short": response("short", PLAIN, MAX_AGE),
      "/own": response(TEXT, PLAIN, MAX_AGE, "Content-Encoding: br"),
      "/no": response(TEXT, PLAIN, `${MAX_AGE}, no-transform`),
    };
    await using proxy = await startCoded((request, connection) => {
      const answer = answers[request.target]!;
      return typeof answer === "function" ? answer(request, connection) : answer;
    });
    for (const path of Object.keys(answers)) for (let i = 0; i < 2; i++) await proxy.ask(`GET ${path}`, GZIP);
    assert.equal(entriesOf(proxy), Object.keys(answers).length);
  });

  test("isn't taken where somebody changes the body for this client", async () => {
    await using proxy = await startCoded(TAGGED, {
      responseFilter(_session, { headers }) {
        headers.delete("content-length");
      },
      responseBodyFilter: (_session, chunk) =>
        chunk === null ? undefined : Buffer.from(chunk.toString().toUpperCase()),
    });
    for (let i = 0; i < 3; i++) assert.equal(codedText(await proxy.ask("GET /", GZIP)), TEXT.toUpperCase());
    assert.equal(entriesOf(proxy), 1);
  });

  test("is taken though a phase changes the head, also later", async () => {
    await using proxy = await startCoded(TAGGED, {
      async responseFilter(_session, { headers }) {
        await new Promise((resolve) => setImmediate(resolve));
        headers.set("X-Own", "1");
      },
    });
    for (let i = 0; i < 3; i++) {
      const got = await proxy.ask("GET /", GZIP);
      assert.deepEqual([codedText(got), field(got, "x-own")], [TEXT, "1"]);
    }
    assert.equal(entriesOf(proxy), 2);
  });
});
