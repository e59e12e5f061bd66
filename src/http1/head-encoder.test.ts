import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FieldId } from "../http/field-names.ts";
import { type BodyLength, RequestHead, ResponseHead } from "../http/heads.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import type { RequestAdditions } from "../http/streams.ts";
import { Output, type OutputOwner } from "../net/output.ts";
import { type ResponseFraming, writeLastChunk, writeRequestHead, writeResponseHead } from "./head-encoder.ts";
import { DEFAULT_HEAD_LIMITS, ScanOutcome } from "./head-limits.ts";
import { HeadScan } from "./head-scan.ts";
import { toRequestHead } from "./request-rules.ts";
import { toResponseHead } from "./response-rules.ts";

const NOTHING: RequestAdditions = { lines: "", dropped: 0, upgrade: null, accept: null };

/** Everything written to an output, as text. */
function written(write: (output: Output, owner: OutputOwner) => void): string {
  const output = new Output();
  let text = "";
  const owner: OutputOwner = {
    writeGathered(view) {
      text += view.toString("latin1");
      return true;
    },
  };
  output.beginTurn();
  write(output, owner);
  output.endTurn();
  return text;
}

/** A head as it comes in, somewhere in a slab. */
function receiveRequest(...lines: readonly string[]): RequestHead {
  const bytes = Buffer.from(`##${lines.join("\r\n")}\r\n\r\n##`, "latin1");
  const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
  assert.equal(scan.scanRequest(bytes, 2, bytes.length - 2), ScanOutcome.Complete, scan.problem);
  const head = toRequestHead(scan);
  assert.ok(head instanceof RequestHead, String(head));
  return head;
}

function receiveResponse(lines: readonly string[], toHead = false): ResponseHead {
  const bytes = Buffer.from(`##${lines.join("\r\n")}\r\n\r\n##`, "latin1");
  const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
  assert.equal(scan.scanResponse(bytes, 2, bytes.length - 2), ScanOutcome.Complete, scan.problem);
  const head = toResponseHead(scan, toHead);
  assert.ok(head instanceof ResponseHead, String(head));
  return head;
}

function requestLines(head: RequestHead, body: BodyLength = head.body, additions = NOTHING): string[] {
  return linesOf(written((output, owner) => writeRequestHead(output, owner, head, body, additions)));
}

function responseLines(head: ResponseHead, body: ResponseFraming = head.body, lines = ""): string[] {
  return linesOf(written((output, owner) => writeResponseHead(output, owner, head, body, lines)));
}

/** The lines of a head that ends where it should. */
function linesOf(text: string): string[] {
  assert.ok(text.endsWith("\r\n\r\n"), JSON.stringify(text));
  const lines = text.slice(0, -4).split("\r\n");
  assert.ok(!lines.includes(""), "an empty line inside");
  return lines;
}

describe("a request head", () => {
  test("that nobody touched is sent as it came, but for the hops", () => {
    const lines = ["GET /a?b HTTP/1.1", "host: a", "X-A:  1 ", "x-a:2", "Cookie: c"];
    assert.deepEqual(requestLines(receiveRequest(...lines)), lines);
    const hops = [
      "Connection: close",
      "Keep-Alive: 5",
      "TE: trailers",
      "Proxy-Authorization: x",
      "Proxy-Connection: y",
    ];
    assert.deepEqual(requestLines(receiveRequest(lines[0]!, hops[0]!, lines[1]!, hops[1]!, hops[2]!, lines[2]!, ...lines.slice(3), hops[3]!, hops[4]!)), lines); // biome-ignore format: one line
    assert.deepEqual(
      requestLines(receiveRequest("GET / HTTP/1.1", "Host: a", "HTTP2-Settings: x", "Upgrade: h2c")),
      ["GET / HTTP/1.1", "Host: a"],
    );
  });

  test("is sent as HTTP/1.1 whatever it came as", () => {
    assert.equal(requestLines(receiveRequest("GET / HTTP/1.0", "Host: a"))[0], "GET / HTTP/1.1");
    assert.equal(requestLines(receiveRequest("GET / HTTP/1.7", "Host: a"))[0], "GET / HTTP/1.1");
    assert.deepEqual(requestLines(receiveRequest("GET / HTTP/1.0")), ["GET / HTTP/1.1"]);
  });

  test("in absolute form goes on in origin form with the host it named", () => {
    assert.deepEqual(requestLines(receiveRequest("GET http://b/c HTTP/1.1", "X: 1", "Host: a", "Y: 2")), [
      "GET /c HTTP/1.1",
      "X: 1",
      "Host: b",
      "Y: 2",
    ]);
  });

  test("shows what filters made of it", () => {
    const head = receiveRequest("GET / HTTP/1.1", "Host: a", "X-A: 1", "Cookie: c", "X-B: 2");
    head.method = "POST";
    head.target = "/changed";
    head.headers.set("x-a", "new");
    head.headers.delete("cookie");
    head.headers.append("X-C", "3");
    assert.deepEqual(requestLines(head), [
      "POST /changed HTTP/1.1",
      "Host: a",
      "x-a: new",
      "X-B: 2",
      "X-C: 3",
    ]);
  });

  test("can be changed at its ends and in whole", () => {
    const head = receiveRequest("GET / HTTP/1.1", "Host: a", "X-A: 1", "X-B: 2");
    head.headers.delete("host");
    head.headers.delete("x-b");
    assert.deepEqual(requestLines(head), ["GET / HTTP/1.1", "X-A: 1"]);
    head.headers.delete("x-a");
    assert.deepEqual(requestLines(head), ["GET / HTTP/1.1"]);
  });

  test("gets the proxy's fields in place of the dropped ones", () => {
    const head = receiveRequest(
      "GET / HTTP/1.1",
      "Host: a",
      "Via: 1.0 x",
      "X-Forwarded-For: 1.1.1.1",
      "X: y",
    );
    const additions = {
      lines: "Via: 1.0 x, 1.1 me\r\nX-Forwarded-For: 2.2.2.2\r\n",
      dropped: (1 << FieldId.Via) | (1 << FieldId.XForwardedFor),
      upgrade: null,
      accept: null,
    };
    const expected = ["GET / HTTP/1.1", "Host: a", "X: y", "Via: 1.0 x, 1.1 me", "X-Forwarded-For: 2.2.2.2"];
    assert.deepEqual(requestLines(head, "none", additions), expected);
    // Also when a filter wrote them.
    head.headers.set("via", "forged");
    head.headers.append("X-Forwarded-For", "forged");
    assert.deepEqual(requestLines(head, "none", additions), expected);
  });

  test("asks for an upgrade with fields of its own", () => {
    const head = receiveRequest(
      "GET / HTTP/1.1",
      "Host: a",
      "Connection: Upgrade, x",
      "Upgrade: websocket",
      "X: y",
    );
    assert.deepEqual(requestLines(head, "none", { ...NOTHING, upgrade: "websocket" }), [
      "GET / HTTP/1.1",
      "Host: a",
      "Connection: Upgrade",
      "Upgrade: websocket",
    ]);
  });

  test("made here is written whole", () => {
    const head = RequestHead.from({
      method: "PUT",
      target: "/x",
      headers: { Host: "h", "X-A": ["1", "2"] },
      body: 4,
    });
    assert.deepEqual(requestLines(head), [
      "PUT /x HTTP/1.1",
      "Host: h",
      "X-A: 1",
      "X-A: 2",
      "Content-Length: 4",
    ]);
  });
});

describe("the framing of a request", () => {
  const base = ["POST / HTTP/1.1", "Host: a"];
  const cases: [name: string, fields: string[], sent: BodyLength, expected: string[]][] = [
    ["stays where it was", ["Content-Length: 5", "X: y"], 5, ["Content-Length: 5", "X: y"]],
    ["is written anew for another length", ["Content-Length: 5", "X: y"], 6, ["X: y", "Content-Length: 6"]],
    ["goes with the body", ["Content-Length: 5"], "none", []],
    ["becomes chunked", ["Content-Length: 5"], "unknown", ["Transfer-Encoding: chunked"]],
    [
      "stays chunked",
      ["Transfer-Encoding: CHUNKED", "X: y"],
      "unknown",
      ["X: y", "Transfer-Encoding: chunked"],
    ],
    ["stops being chunked", ["Transfer-Encoding: chunked"], 7, ["Content-Length: 7"]],
    ["isn't there without a body", [], "none", []],
  ];
  for (const [name, fields, sent, expected] of cases) {
    test(name, () => {
      assert.deepEqual(requestLines(receiveRequest(...base, ...fields), sent), [...base, ...expected]);
    });
  }

  test("can't be forged by a filter", () => {
    for (const forge of [
      (headers: HttpHeaders) => headers.set("Content-Length", "99"),
      (headers: HttpHeaders) => headers.append("content-length", "99"),
      (headers: HttpHeaders) => headers.delete("content-length"),
      (headers: HttpHeaders) => headers.set("Transfer-Encoding", "chunked"),
      (headers: HttpHeaders) => headers.set("Connection", "close"),
    ]) {
      const head = receiveRequest(...base, "Content-Length: 5");
      forge(head.headers);
      assert.deepEqual(requestLines(head), [...base, "Content-Length: 5"]);
    }
  });
});

describe("a response head", () => {
  test("that nobody touched is sent as it came, but for the hops", () => {
    const lines = [
      "HTTP/1.1 200 Fine \xe4",
      "Server: x",
      "Set-Cookie: a",
      "set-cookie:b",
      "Content-Length: 3",
    ];
    assert.deepEqual(responseLines(receiveResponse([...lines, "Keep-Alive: t", "Connection: close"])), lines);
  });

  test("is sent as HTTP/1.1, with its own reason", () => {
    const head = receiveResponse(["HTTP/1.0 200 Sure thing", "Content-Length: 0"]);
    assert.deepEqual(responseLines(head, 0), ["HTTP/1.1 200 Sure thing", "Content-Length: 0"]);
    assert.equal(responseLines(receiveResponse(["HTTP/1.0 200"]), "until-close")[0], "HTTP/1.1 200 ");
  });

  test("gets a new line with a new status", () => {
    const head = receiveResponse(["HTTP/1.1 200 Fine", "Content-Length: 0"]);
    head.status = 404;
    assert.equal(responseLines(head)[0], "HTTP/1.1 404 Not Found");
  });

  test("gets the lines of the connection at its end", () => {
    const head = ResponseHead.from({ status: 200, headers: { A: "b" } });
    assert.deepEqual(responseLines(head, 3, "Date: d\r\nConnection: close\r\n"), [
      "HTTP/1.1 200 OK",
      "A: b",
      "Content-Length: 3",
      "Date: d",
      "Connection: close",
    ]);
  });

  const length = ["HTTP/1.1 200 OK", "Content-Length: 5"];
  const bare = ["HTTP/1.1 200 OK"];
  const chunked = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"];
  const cases: [name: string, received: string[], sent: ResponseFraming, expected: string[]][] = [
    ["keeps the length", length, 5, ["Content-Length: 5"]],
    ["changes the length", length, 6, ["Content-Length: 6"]],
    ["says that there is no body", length, 0, ["Content-Length: 0"]],
    ["becomes chunked", length, "unknown", ["Transfer-Encoding: chunked"]],
    ["drops a length that the close doesn't keep", length, "until-close", []],
    ["keeps the length of a body that isn't sent", length, "none", ["Content-Length: 5"]],
    ["stays chunked", chunked, "unknown", ["Transfer-Encoding: chunked"]],
    ["is ended by the close", chunked, "until-close", []],
    ["is chunked where it was ended by the close", bare, "unknown", ["Transfer-Encoding: chunked"]],
    ["declares no length on a 204", ["HTTP/1.1 204 No Content", "Content-Length: 5"], "none", []],
    [
      "declares no length on a 103",
      ["HTTP/1.1 103 Early Hints", "Content-Length: 5", "Link: x"],
      "none",
      ["Link: x"],
    ],
    [
      "declares one on a 304",
      ["HTTP/1.1 304 Not Modified", "Content-Length: 5"],
      "none",
      ["Content-Length: 5"],
    ],
  ];
  for (const [name, received, sent, expected] of cases) {
    test(name, () => {
      assert.deepEqual(responseLines(receiveResponse(received), sent), [received[0], ...expected]);
    });
  }
});

describe("the last chunk", () => {
  const lastChunk = (trailers: HttpHeaders | null): string =>
    written((output, owner) => writeLastChunk(output, owner, trailers));

  test("is empty without trailers", () => {
    assert.equal(lastChunk(null), "0\r\n\r\n");
    assert.equal(lastChunk(new HttpHeaders()), "0\r\n\r\n");
  });

  test("carries trailers, none that would frame or route", () => {
    const trailers = HttpHeaders.from({
      "X-Sum": "1",
      "Content-Length": "5",
      "transfer-encoding": "chunked",
      host: "evil",
      connection: "close",
      "X-Forwarded-For": "1.1.1.1",
      via: "x",
      Digest: "y",
    });
    assert.equal(lastChunk(trailers), "0\r\nX-Sum: 1\r\nDigest: y\r\n\r\n");
    assert.equal(lastChunk(HttpHeaders.from({ host: "x" })), "0\r\n\r\n");
  });
});

test("heads larger than a slab are written whole", () => {
  const fields = Array.from({ length: 120 }, (_, i) => `X-${i}: ${"v".repeat(500)}`);
  const lines = ["GET / HTTP/1.1", "Host: a", ...fields];
  const head = receiveRequest(...lines);
  const big = "w".repeat(50_000);
  head.headers.append("X-Big", big);
  assert.deepEqual(requestLines(head), [...lines, `X-Big: ${big}`]);
});

test("what is read from what was written is the same message", () => {
  const name = fc.constantFrom(
    "X-A",
    "x-b",
    "Cookie",
    "Via",
    "Connection",
    "Keep-Alive",
    "Accept",
    "TE",
    "Date",
  );
  const value = fc.constantFrom("", "a", "b c", "close", "x-b", "\xff", 'q="1"');
  const field = fc.tuple(name, value);
  const change = fc.tuple(
    fc.constantFrom("set", "append", "delete"),
    fc.constantFrom("x-a", "x-new", "via"),
    value,
  );
  const gone = new Set(["connection", "keep-alive", "te"]);
  fc.assert(
    fc.property(fc.array(field, { maxLength: 12 }), fc.array(change, { maxLength: 5 }), (fields, changes) => {
      const head = receiveRequest(
        "GET /x HTTP/1.1",
        "Host: h",
        ...fields.map(([key, text]) => `${key}: ${text}`),
      );
      for (const [what, key, text] of changes) {
        if (what === "set") head.headers.set(key, text);
        else if (what === "append") head.headers.append(key, text);
        else head.headers.delete(key);
      }
      const expected = [...head.headers].filter(([key]) => !gone.has(key.toLowerCase()));
      const again = receiveRequest(...requestLines(head));
      assert.deepEqual([...again.headers], expected);
      assert.deepEqual([again.method, again.target, again.host], ["GET", "/x", head.headers.get("host")]);
    }),
  );
});
