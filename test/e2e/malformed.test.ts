import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { createRandom, type Random } from "../kit/random.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawRequest } from "../kit/raw-message.ts";
import { answering, isWell, ok, request, startProxy } from "./proxy.ts";

const SEED = 20_260_721;

/** Octets that no field content may hold. */
const CONTROLS = [0, 1, 7, 8, 11, 12, 14, 27, 31, 127].map((code) => String.fromCharCode(code));
/** What no token may hold. */
const DELIMITERS = [
  "(",
  ")",
  "<",
  ">",
  "@",
  ",",
  ";",
  "\\",
  '"',
  "/",
  "[",
  "]",
  "?",
  "=",
  "{",
  "}",
  "\x80",
  "\xff",
];

/** A request in parts, right until something is done to it. */
interface Parts {
  line: string;
  fields: string[];
  body: string;
}

function wellFormed(random: Random): Parts {
  const method = random.pick(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "M-SEARCH"]);
  const path = random.pick(["/", "/a/b", "/%2e%2e/x", "/a?b=c&d", "http://b.example/x", "/;p"]);
  const fields = ["Host: a.example"];
  const more = [
    "Accept: */*",
    "X-A: b",
    "Cookie: a=b; c=d",
    "X-Empty:",
    "Connection: keep-alive",
    "TE: trailers",
  ];
  for (const field of more) if (random.below(3) === 0) fields.push(field);
  const body = random.pick(["", "", "hello", "x".repeat(300)]);
  if (body !== "") fields.push(`Content-Length: ${body.length}`);
  return { line: `${method} ${path} HTTP/1.1`, fields: random.shuffle(fields), body };
}

function insertAt(text: string, at: number, inserted: string): string {
  return text.slice(0, at) + inserted + text.slice(at);
}

function addField(parts: Parts, field: string, random: Random): void {
  parts.fields.splice(random.below(parts.fields.length + 1), 0, field);
}

function withoutLength(parts: Parts): void {
  parts.fields = parts.fields.filter((field) => !field.startsWith("Content-Length"));
}

/** Each makes of any right request one that is wrong, with no second opinion about it. */
const FAULTS: Record<string, (parts: Parts, random: Random) => void> = {
  "no host": (parts) => {
    parts.fields = parts.fields.filter((field) => !field.startsWith("Host"));
  },
  "two hosts": (parts, random) =>
    addField(parts, random.pick(["Host: b", "host:a.example", "HOST:"]), random),
  "bad host": (parts, random) => {
    const host = random.pick([
      "a b",
      "a/b",
      "a@b",
      "[::1",
      "a:b",
      "a:1:2",
      "a,b",
      "a\\b",
      'a"b',
      "<a>",
      "a:123456",
    ]);
    parts.fields = parts.fields.map((field) => (field.startsWith("Host") ? `Host: ${host}` : field));
  },
  "delimiter in the method": (parts, random) => {
    parts.line = insertAt(parts.line, random.below(3), random.pick(DELIMITERS));
  },
  "control in the line": (parts, random) => {
    parts.line = insertAt(parts.line, random.below(parts.line.length), random.pick(CONTROLS));
  },
  "space in the line": (parts, random) => {
    parts.line = random.pick([` ${parts.line}`, `${parts.line} `, parts.line.replace(" ", "  ")]);
  },
  "no version": (parts) => {
    parts.line = parts.line.replace(" HTTP/1.1", "");
  },
  "bad version": (parts, random) => {
    const versions = [
      "HTTP/1.",
      "HTTP/11",
      "HTTP/1,1",
      "http/1.1",
      "HTTP/1.1x",
      "XTTP/1.1",
      "HTTP/3.0",
      "HTTP/ 1.1",
    ];
    parts.line = parts.line.replace("HTTP/1.1", random.pick(versions));
  },
  "bad target": (parts, random) => {
    const targets = [
      "*x",
      "a",
      "#",
      "/a#b",
      "/\x80",
      "ftp://a/",
      "http://",
      "http://a@b/",
      "//\x7f",
      "http:/a",
    ];
    parts.line = parts.line.replace(/ \S+ /, ` ${random.pick(targets)} `);
  },
  "control in a field": (parts, random) => {
    addField(parts, `X-B: ${"y".repeat(random.below(9))}${random.pick(CONTROLS)}z`, random);
  },
  "delimiter in a name": (parts, random) => addField(parts, `X${random.pick(DELIMITERS)}B: c`, random),
  "blank in a name": (parts, random) => {
    addField(parts, random.pick(["X B: c", "X-B : c", "X-B\t: c", ": c", "X-B"]), random);
  },
  fold: (parts, random) => {
    // Not first: there it would be a part of the line before, which is none of a field.
    parts.fields.push("X-Folded: a", `${random.pick([" ", "\t"])}b`);
  },
  "bare LF": (parts, random) => addField(parts, "X-B: c\nX-C: d", random),
  "bare CR": (parts, random) => addField(parts, "X-B: c\rX-C: d", random),
  "bad length": (parts, random) => {
    withoutLength(parts);
    const lengths = [
      "",
      "-1",
      "+1",
      "1,1",
      "1 1",
      "0x1",
      "1e1",
      "01",
      "9".repeat(16),
      "1\x0b",
      "a",
      "1.0",
      "\xb2",
    ];
    addField(parts, `Content-Length: ${random.pick(lengths)}`, random);
  },
  "two lengths": (parts, random) => {
    withoutLength(parts);
    addField(parts, "Content-Length: 5", random);
    addField(parts, random.pick(["Content-Length: 5", "content-length: 6", "CONTENT-LENGTH:0"]), random);
  },
  "length and chunks": (parts, random) => {
    withoutLength(parts);
    addField(parts, "Content-Length: 5", random);
    addField(parts, "Transfer-Encoding: chunked", random);
  },
  "bad coding": (parts, random) => {
    const codings = [
      "identity",
      "gzip",
      "chunked, chunked",
      "chunked;a",
      "xchunked",
      "chunked,",
      '"chunked"',
      "",
    ];
    addField(parts, `Transfer-Encoding: ${random.pick(codings)}`, random);
  },
  "bad chunk": (parts, random) => {
    withoutLength(parts);
    parts.line = parts.line.replace(/^\S+/, "POST");
    addField(parts, "Transfer-Encoding: chunked", random);
    const frames = [
      "x",
      "0x5",
      "-1",
      " 1",
      "1 1",
      "1\n",
      "5\r\nhello!",
      "1;\x00",
      "",
      "11111111111111",
      "5\r\nhel\r\nlo",
    ];
    parts.body = `${random.pick(frames)}\r\n0\r\n\r\n`;
  },
  "bad expectation": (parts, random) => addField(parts, "Expect: 101-maybe", random),
  "long line": (parts, random) => {
    parts.line = parts.line.replace(/ \S+ /, ` /${"x".repeat(16_500 + random.below(9000))} `);
  },
  "many fields": (parts) => {
    for (let i = 0; i < 140; i++) parts.fields.push(`X-${i}: y`);
  },
  "long fields": (parts, random) => addField(parts, `X-Long: ${"y".repeat(66_000)}`, random),
};

function toBytes({ line, fields, body }: Parts): Buffer {
  return Buffer.from(`${line}\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n${body}`, "latin1");
}

/** Sends bytes in one or two pieces and returns all that comes until the other side ends. */
function converse(port: number, bytes: Buffer, cut: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  socket.on("end", () => socket.resetAndDestroy());
  socket.on("error", () => undefined);
  socket.on("close", () => resolve(received));
  socket.write(bytes.subarray(0, cut));
  setImmediate(() => socket.write(bytes.subarray(cut)));
  return promise;
}

/** Does `work` for each number below `count`, a few at a time. */
async function inParallel(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

describe("10,000 malformed requests", () => {
  test("are all refused, and none is forwarded", async () => {
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({
      origin: answering(({ target }) => ok(`GET ${target} `), requests),
    });
    const random = createRandom(SEED);
    const names = Object.keys(FAULTS);
    const vectors = Array.from({ length: 10_000 }, (_, i) => {
      const name = names[i % names.length]!;
      const parts = wellFormed(random);
      FAULTS[name]?.(parts, random);
      const before = random.below(4) === 0 ? request("GET /well") : "";
      const bytes = Buffer.concat([Buffer.from(before), toBytes(parts), Buffer.from(request("GET /behind"))]);
      return { name, bytes, isSecond: before !== "", cut: random.below(bytes.length) };
    });
    await inParallel(vectors.length, async (i) => {
      const { name, bytes, isSecond, cut } = vectors[i]!;
      const answer = await converse(proxy.port, bytes, cut);
      const statuses = answer.match(/HTTP\/1\.1 \d{3}/g)?.map((line) => Number(line.slice(9))) ?? [];
      const refused = statuses.at(-1) ?? 0;
      const shown = (): string => `${i} ${name}: ${JSON.stringify(bytes.toString("latin1").slice(0, 400))}`;
      assert.ok([400, 414, 417, 431, 505].includes(refused), `${refused} to ${shown()}`);
      assert.equal(statuses.length, isSecond ? 2 : 1, shown());
      if (isSecond) assert.equal(statuses[0], 200, shown());
      if (i % 100 === 0) await isWell(proxy);
    });
    const forwarded = requests.filter(({ target }) => target !== "/well");
    assert.deepEqual(
      forwarded.map(({ target }) => target),
      [],
    );
    await proxy.settled();
    await isWell(proxy);
  });
});

describe("1,000 requests with random damage", () => {
  test("are answered or refused, and what reaches a server is well-formed", async () => {
    const random = createRandom(SEED + 1);
    const requests: RawRequest[] = [];
    await using proxy = await startProxy({
      origin: answering(({ target }) => ok(`GET ${target} `), requests),
    });
    const special = [
      "\r\n",
      "\r",
      "\n",
      " ",
      "\t",
      ":",
      "\0",
      "0",
      "1",
      ";",
      ",",
      "\x80",
      "chunked",
      "HTTP/1.1",
      "\r\n\r\n",
    ];
    await inParallel(1000, async (i) => {
      let text = toBytes(wellFormed(random)).toString("latin1");
      for (let n = random.below(4); n >= 0; n--) {
        const at = random.below(text.length);
        const removed = random.below(3) === 0 ? random.below(5) : 0;
        text = text.slice(0, at) + random.pick(special) + text.slice(at + removed);
      }
      const end = request("GET /end", "Connection: close");
      const bytes = Buffer.from(`${text}${end}`, "latin1");
      const client = connect({ port: proxy.port, host: "127.0.0.1" });
      client.on("error", () => undefined);
      client.resume();
      // A length that grew waits for more: the end of our direction is its end.
      client.end(bytes);
      await new Promise((resolve) => client.once("close", resolve));
      if (i % 100 === 0) await isWell(proxy);
    });
    await proxy.settled();
    for (const [i, connection] of proxy.origin.connections.entries()) {
      connection.destroy();
      const error = await proxy.origin.outcome(i);
      assert.doesNotMatch(String(error), /not a|both|coding|content length|goes past/);
    }
    await isWell(proxy);
  });
});

describe("1,000 responses with random damage", () => {
  test("are passed on well-formed, or seen to be broken, and harm nobody else", async () => {
    const random = createRandom(SEED + 2);
    const special = [
      "\r\n",
      "\r",
      "\n",
      " ",
      ":",
      "\0",
      "0",
      "1",
      ";",
      "\x80",
      "chunked",
      "HTTP/1.1 200 OK\r\n\r\n",
    ];
    const answers = [
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
      "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
    ];
    const damaged = (): string => {
      let text = random.pick(answers);
      for (let n = random.below(3); n >= 0; n--) {
        const at = random.below(text.length);
        text = text.slice(0, at) + random.pick(special) + text.slice(at + random.below(3));
      }
      return text;
    };
    await using proxy = await startProxy({
      origin: answering(async ({ target }, connection) => {
        if (target === "/well") return ok("GET /well ");
        const text = damaged();
        await connection
          .writePieces(text, random.below(2) === 0 ? [] : [random.below(text.length)])
          .catch(() => undefined);
        // Whoever waits for more of it gets the end.
        connection.end();
        await connection.closed;
        return undefined;
      }),
    });
    await inParallel(1000, async (i) => {
      const client = await connectRaw(proxy.port);
      try {
        const response = await client.exchange(request("GET /"));
        assert.ok(response.status >= 200);
      } catch (error) {
        // Cut is what it may be, but not malformed.
        assert.match(String(error), /ended|reset/);
      } finally {
        client.reset();
      }
      if (i % 100 === 0) await isWell(proxy);
    });
    await proxy.settled();
    assert.ok(proxy.count("responses2xx") > 100 && proxy.count("responses5xx") > 100);
  });
});
