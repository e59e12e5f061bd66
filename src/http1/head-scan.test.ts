import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FieldId } from "../http/field-names.ts";
import { nameAt, valueAt } from "../http/field-table.ts";
import { DEFAULT_HEAD_LIMITS, type HeadLimits, type HeadProblem, ScanOutcome } from "./head-limits.ts";
import { ConnectionOption, HeadScan } from "./head-scan.ts";

type Verdict = "complete" | "incomplete" | HeadProblem;
type Kind = "request" | "response" | "trailers";

/**
 * Scans text that stands in the middle of a buffer, as in a read slab: what is around it must not matter. The bytes
 * behind it would complete any head.
 */
function verdictOf(scan: HeadScan, kind: Kind, text: string): Verdict {
  const before = "\r\n\r\nGET ";
  const bytes = Buffer.from(`${before}${text}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n`, "latin1");
  const start = before.length;
  const end = start + text.length;
  const outcomes = {
    request: () => scan.scanRequest(bytes, start, end),
    response: () => scan.scanResponse(bytes, start, end),
    trailers: () => scan.scanTrailers(bytes, start, end),
  };
  const outcome = outcomes[kind]();
  if (outcome === ScanOutcome.Refused) return scan.problem;
  if (outcome === ScanOutcome.Incomplete) return "incomplete";
  assert.ok(scan.end <= end, "a head ends behind its bytes");
  return "complete";
}

function pairsOf(scan: HeadScan): [string, string][] {
  return Array.from({ length: scan.count }, (_, i) => [nameAt(scan, i), valueAt(scan, i)]);
}

/** What a text comes to, wherever it is cut: as a whole, and never complete before its end. */
function assertVerdict(
  kind: Kind,
  text: string,
  expected: Verdict,
  limits: HeadLimits = DEFAULT_HEAD_LIMITS,
): void {
  const scan = new HeadScan(limits);
  assert.equal(verdictOf(scan, kind, text), expected, JSON.stringify(text.slice(0, 200)));
  const headEnd = expected === "complete" ? scan.end - "\r\n\r\nGET ".length : text.length;
  for (let cut = 0; cut < Math.min(headEnd, 400); cut++) {
    const verdict = verdictOf(scan, kind, text.slice(0, cut));
    const isFine = verdict === "incomplete" || (expected !== "complete" && verdict === expected);
    assert.ok(isFine, `${verdict} when cut at ${cut}: ${JSON.stringify(text.slice(0, 200))}`);
  }
}

function request(line: string, ...fields: readonly string[]): string {
  return `${[line, ...fields].join("\r\n")}\r\n\r\n`;
}

const GET = "GET / HTTP/1.1";
const OK = "HTTP/1.1 200 OK";

describe("a request line", () => {
  const accepted: Record<string, [method: string, target: string, minor: number]> = {
    "GET / HTTP/1.1": ["GET", "/", 1],
    "GET / HTTP/1.0": ["GET", "/", 0],
    "GET / HTTP/1.9": ["GET", "/", 9],
    "M-SEARCH * HTTP/1.1": ["M-SEARCH", "*", 1],
    "a /?a=b&c=%0d%0a HTTP/1.1": ["a", "/?a=b&c=%0d%0a", 1],
    "!#$%&'*+-.^_`|~ / HTTP/1.1": ["!#$%&'*+-.^_`|~", "/", 1],
    'GET /"<>[\\]^`{|} HTTP/1.1': ["GET", '/"<>[\\]^`{|}', 1],
    "CONNECT a:443 HTTP/1.1": ["CONNECT", "a:443", 1],
    "GET http://a/b HTTP/1.1": ["GET", "http://a/b", 1],
    [`GET /${"x".repeat(16_000)} HTTP/1.1`]: ["GET", `/${"x".repeat(16_000)}`, 1],
  };
  for (const [line, [method, target, minor]] of Object.entries(accepted)) {
    test(`is accepted: ${line.slice(0, 60)}`, () => {
      assertVerdict("request", request(line), "complete");
      const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
      verdictOf(scan, "request", request(line));
      const { bytes } = scan;
      assert.equal(bytes.toString("latin1", scan.start, scan.methodEnd), method);
      assert.equal(bytes.toString("latin1", scan.targetStart, scan.targetEnd), target);
      assert.equal(scan.minorVersion, minor);
    });
  }

  const refused: [text: string, problem: HeadProblem][] = [
    ["GET /\r\n", "BAD_REQUEST_LINE"],
    ["GET /\r\n\r\n", "BAD_REQUEST_LINE"],
    ["GET\r\n\r\n", "BAD_REQUEST_LINE"],
    ["\r\n\r\n", "BAD_REQUEST_LINE"],
    [" GET / HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET  / HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET /  HTTP/1.1\r\n", "BAD_VERSION"],
    ["GET / HTTP/1.1 \r\n", "BAD_REQUEST_LINE"],
    ["GET\t/ HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET /\tHTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET /a b HTTP/1.1\r\n", "BAD_VERSION"],
    ["GET /\x0bHTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET /#top HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET /\xe4 HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET /\0 HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET /\x7f HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["G\xcbT / HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["G(T / HTTP/1.1\r\n", "BAD_REQUEST_LINE"],
    ["GET / http/1.1\r\n", "BAD_VERSION"],
    ["GET / Http/1.1\r\n", "BAD_VERSION"],
    ["GET / HTTP/1\r\n", "BAD_VERSION"],
    ["GET / HTTP/1,1\r\n", "BAD_VERSION"],
    ["GET / HTTP/1.\r\n", "BAD_VERSION"],
    ["GET / HTTP/1.x\r\n", "BAD_VERSION"],
    ["GET / HTTP/1.10\r\n", "BAD_REQUEST_LINE"],
    ["GET / HTTP/11.1\r\n", "BAD_VERSION"],
    ["GET / HTTP/x.1\r\n", "BAD_VERSION"],
    ["GET / HTTPS/1.1\r\n", "BAD_VERSION"],
    ["GET / ICE/1.0\r\n", "BAD_VERSION"],
    ["GET / HTTP/0.9\r\n", "UNSUPPORTED_VERSION"],
    ["GET / HTTP/2.0\r\n", "UNSUPPORTED_VERSION"],
    ["GET / HTTP/3\r\n", "UNSUPPORTED_VERSION"],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "UNSUPPORTED_VERSION"],
    ["GET / HTTP/1.1\nHost: a\r\n\r\n", "BAD_REQUEST_LINE"],
    ["GET / HTTP/1.1\rX\r\n\r\n", "BAD_LINE_END"],
    ["GET / HTTP/1.1\r\r\n\r\n", "BAD_LINE_END"],
    ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "BAD_REQUEST_LINE"],
  ];
  for (const [text, problem] of refused) {
    test(`is refused: ${JSON.stringify(text.slice(0, 60))}`, () => assertVerdict("request", text, problem));
  }
});

describe("a status line", () => {
  const accepted: Record<string, [status: number, reason: string, minor: number]> = {
    "HTTP/1.1 200 OK": [200, "OK", 1],
    "HTTP/1.0 404 Not Found": [404, "Not Found", 0],
    "HTTP/1.1 200 ": [200, "", 1],
    "HTTP/1.1 200": [200, "", 1],
    "HTTP/1.1 999 \xfcber\tall ": [999, "\xfcber\tall ", 1],
    "HTTP/1.1 100 Continue": [100, "Continue", 1],
  };
  for (const [line, [status, reason, minor]] of Object.entries(accepted)) {
    test(`is accepted: ${JSON.stringify(line)}`, () => {
      const text = `${line}\r\nA: b\r\n\r\n`;
      assertVerdict("response", text, "complete");
      const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
      verdictOf(scan, "response", text);
      assert.equal(scan.status, status);
      assert.equal(scan.bytes.toString("latin1", scan.reasonStart, scan.reasonEnd), reason);
      assert.equal(scan.minorVersion, minor);
      assert.deepEqual(pairsOf(scan), [["A", "b"]]);
    });
  }

  const refused: [text: string, problem: HeadProblem][] = [
    ["HTTP/1.1\r\n", "BAD_VERSION"],
    ["HTTP/1.1 \r\n\r\n", "BAD_STATUS"],
    ["HTTP/1.1 20\r\n", "BAD_STATUS"],
    ["HTTP/1.1 2000 OK\r\n", "BAD_STATUS"],
    ["HTTP/1.1 099 No\r\n", "BAD_STATUS"],
    ["HTTP/1.1 000 No\r\n", "BAD_STATUS"],
    ["HTTP/1.1 +20 No\r\n", "BAD_STATUS"],
    ["HTTP/1.1 2 0 No\r\n", "BAD_STATUS"],
    ["HTTP/1.1  200 OK\r\n", "BAD_STATUS"],
    ["HTTP/1.1\t200 OK\r\n", "BAD_VERSION"],
    ["HTTP/1.1 200\tOK\r\n", "BAD_STATUS"],
    ["HTTP/1.1 200OK\r\n", "BAD_STATUS"],
    ["HTTP/1.1 200 O\0K\r\n", "BAD_STATUS"],
    ["HTTP/1.1 200 O\x7fK\r\n", "BAD_STATUS"],
    ["HTTP/1.1 200 OK\n\r\n", "BAD_STATUS"],
    ["HTTP/1.1 200 OK\rA: b\r\n\r\n", "BAD_LINE_END"],
    ["HTTP/1.1 200\n\r\n", "BAD_STATUS"],
    ["HTTP/1.x 200 OK\r\n", "BAD_VERSION"],
    ["HTTP/2.0 200 OK\r\n", "UNSUPPORTED_VERSION"],
    ["HTTP/2 200\r\n", "UNSUPPORTED_VERSION"],
    ["http/1.1 200 OK\r\n", "BAD_VERSION"],
    ["ICY 200 OK\r\n", "BAD_VERSION"],
    ["\r\nHTTP/1.1 200 OK\r\n", "BAD_VERSION"],
    [" HTTP/1.1 200 OK\r\n", "BAD_VERSION"],
    ["SSH-2.0-OpenSSH_9.6\r\n", "BAD_VERSION"],
  ];
  for (const [text, problem] of refused) {
    test(`is refused: ${JSON.stringify(text)}`, () => assertVerdict("response", text, problem));
  }
});

describe("fields", () => {
  test("are recorded without the white space around their values", () => {
    const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
    const fields = ["Host:a", "X-Empty:", "x-blank: \t ", "X-In:  a \t b\t ", "!#$%&'*+-.^_`|~: \xe4\xff"];
    assert.equal(verdictOf(scan, "request", request(GET, ...fields)), "complete");
    assert.deepEqual(pairsOf(scan), [
      ["Host", "a"],
      ["X-Empty", ""],
      ["x-blank", ""],
      ["X-In", "a \t b"],
      ["!#$%&'*+-.^_`|~", "\xe4\xff"],
    ]);
    assert.equal(scan.present, 1 << FieldId.Host);
  });

  const refused: [field: string, problem: HeadProblem][] = [
    ["Host : a", "BAD_FIELD_NAME"],
    ["Host\t: a", "BAD_FIELD_NAME"],
    [" Host: a", "BAD_FIELD_NAME"],
    ["\tHost: a", "BAD_FIELD_NAME"],
    [": a", "BAD_FIELD_NAME"],
    ["Host", "BAD_FIELD_NAME"],
    ["Ho st: a", "BAD_FIELD_NAME"],
    ["H\xf6st: a", "BAD_FIELD_NAME"],
    ["Host\0: a", "BAD_FIELD_NAME"],
    ["Ho(st: a", "BAD_FIELD_NAME"],
    ["X: a\r\n b", "BAD_FIELD_NAME"],
    ["X: a\r\n\tb", "BAD_FIELD_NAME"],
    ["X:\r\n a", "BAD_FIELD_NAME"],
    ["X: a\0b", "BAD_FIELD_VALUE"],
    ["X: a\x01b", "BAD_FIELD_VALUE"],
    ["X: a\x7fb", "BAD_FIELD_VALUE"],
    ["X: a\x0bb", "BAD_FIELD_VALUE"],
    ["X: a\x1b[0m", "BAD_FIELD_VALUE"],
    ["X: a\nY: b", "BAD_LINE_END"],
    ["X: a\n", "BAD_LINE_END"],
    ["X: a\rY: b", "BAD_LINE_END"],
    ["X: a\r\rY: b", "BAD_LINE_END"],
    ["X\r: a", "BAD_FIELD_NAME"],
    ["X:\n", "BAD_LINE_END"],
    ["\n", "BAD_FIELD_NAME"],
    ["\rX: a", "BAD_LINE_END"],
  ];
  for (const [field, problem] of refused) {
    test(`are refused: ${JSON.stringify(field)}`, () => {
      assertVerdict("request", request(GET, "A: 1", field, "B: 2"), problem);
      assertVerdict("response", request(OK, "A: 1", field, "B: 2"), problem);
      assertVerdict("trailers", `A: 1\r\n${field}\r\nB: 2\r\n\r\n`, problem);
    });
  }

  test("end with an empty line and nothing else", () => {
    assertVerdict("request", `${GET}\r\nHost: a\r\n`, "incomplete");
    assertVerdict("request", `${GET}\r\nHost: a\r\n\r`, "incomplete");
    assertVerdict("request", `${GET}\r\nHost: a\r\n\rX`, "BAD_LINE_END");
    assertVerdict("request", `${GET}\r\nHost: a\r\n\n`, "BAD_FIELD_NAME");
    assertVerdict("trailers", "\r\n", "complete");
    assertVerdict("trailers", "A: b\r\n\r\nGET", "complete");
  });
});

describe("framing fields", () => {
  const accepted: [fields: string[], length: number, chunked: boolean][] = [
    [[], -1, false],
    [["Content-Length: 0"], 0, false],
    [["content-length:12"], 12, false],
    [["CONTENT-LENGTH: \t 999999999999999 \t"], 999_999_999_999_999, false],
    [["Transfer-Encoding: chunked"], -1, true],
    [["transfer-encoding:\tCHUNKED "], -1, true],
  ];
  for (const [fields, length, chunked] of accepted) {
    test(`are accepted: ${JSON.stringify(fields)}`, () => {
      for (const line of [GET, OK]) {
        const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
        const kind = line === GET ? "request" : "response";
        assertVerdict(kind, request(line, ...fields), "complete");
        verdictOf(scan, kind, request(line, ...fields));
        assert.equal(scan.contentLength, length);
        assert.equal(scan.chunked, chunked);
      }
    });
  }

  const lengths = [
    ["Content-Length:"],
    ["Content-Length: "],
    ["Content-Length: +1"],
    ["Content-Length: -1"],
    ["Content-Length: 1 2"],
    ["Content-Length: 1,1"],
    ["Content-Length: 1, 1"],
    ["Content-Length: 1;1"],
    ["Content-Length: 0x10"],
    ["Content-Length: 1e3"],
    ["Content-Length: 1_0"],
    ["Content-Length: 1.0"],
    ["Content-Length: 010"],
    ["Content-Length: 00"],
    ["Content-Length: \xb2"],
    ["Content-Length: 9999999999999999"],
    ["Content-Length: 18446744073709551617"],
    ["Content-Length: 5", "Content-Length: 5"],
    ["Content-Length: 5", "content-length: 6"],
    ["Content-Length: 5", "Content-Length:"],
  ];
  const codings = [
    ["Transfer-Encoding:"],
    ["Transfer-Encoding: identity"],
    ["Transfer-Encoding: gzip"],
    ["Transfer-Encoding: gzip, chunked"],
    ["Transfer-Encoding: chunked, gzip"],
    ["Transfer-Encoding: chunked, chunked"],
    ["Transfer-Encoding: chunked,"],
    ["Transfer-Encoding: ,chunked"],
    ["Transfer-Encoding: chunked;q=1"],
    ["Transfer-Encoding: xchunked"],
    ["Transfer-Encoding: chunke"],
    ["Transfer-Encoding: chunkedd"],
    ['Transfer-Encoding: "chunked"'],
    ["Transfer-Encoding: c\xe8unked"],
    ["Transfer-Encoding: chunked\x0b"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "transfer-encoding: identity"],
    ["Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
  ];
  const both = [
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 0"],
  ];
  for (const [sets, problem] of [
    [lengths, "BAD_CONTENT_LENGTH"],
    [codings, "BAD_TRANSFER_ENCODING"],
    [both, "LENGTH_AND_CHUNKED"],
  ] as const) {
    for (const fields of sets) {
      test(`are refused: ${JSON.stringify(fields)}`, () => {
        const expected = fields[0]!.includes("\x0b") ? "BAD_FIELD_VALUE" : problem;
        assertVerdict("request", request(GET, "Host: a", ...fields), expected);
        assertVerdict("response", request(OK, ...fields), expected);
      });
    }
  }

  test("are taken with a coding that nobody knows, for who wants that of responses: but for what may be chunks", () => {
    const scan = new HeadScan(DEFAULT_HEAD_LIMITS, true);
    const verdict = (...fields: string[]): string => verdictOf(scan, "response", request(OK, ...fields));
    for (const value of ["nonsense", "gzip", "", "a, b"]) {
      assert.equal(verdict(`Transfer-Encoding: ${value}`), "complete", value);
      assert.deepEqual([scan.chunked, scan.connection], [false, ConnectionOption.Close]);
    }
    for (const value of ["gzip, chunked", "chunked, x", "xChunked"])
      assert.equal(verdict(`Transfer-Encoding: ${value}`), "BAD_TRANSFER_ENCODING", value);
    assert.equal(verdict("Transfer-Encoding: x", "Content-Length: 1"), "LENGTH_AND_CHUNKED");
    assert.equal(verdict("Transfer-Encoding: x", "Transfer-Encoding: x"), "BAD_TRANSFER_ENCODING");
    assert.equal(verdict("Transfer-Encoding: chunked"), "complete");
    assert.deepEqual([scan.chunked, scan.connection], [true, 0]);
  });

  test("only those of that name count", () => {
    const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
    const fields = ["Content_Length: x", "X-Content-Length: -", "Transfer_Encoding: y", "Content-Lengt: z"];
    assert.equal(verdictOf(scan, "request", request(GET, ...fields)), "complete");
    assert.equal(scan.contentLength, -1);
    assert.equal(scan.chunked, false);
  });

  test("two hosts are refused", () => {
    assertVerdict("request", request(GET, "Host: a", "host: a"), "SEVERAL_HOSTS");
  });
});

describe("the options of Connection", () => {
  const { Close, KeepAlive, Upgrade, Names } = ConnectionOption;
  const cases: [values: string[], bits: number][] = [
    [[], 0],
    [[""], 0],
    [[" , ,\t,"], 0],
    [["close"], Close],
    [["CLOSE"], Close],
    [["keep-alive"], KeepAlive],
    [["Keep-Alive, Upgrade"], KeepAlive | Upgrade],
    [["close,\tkeep-alive ,x"], Close | KeepAlive | Names],
    [["clos"], Names],
    [["close x"], Names],
    [["upgrades"], Names],
    [["upgrade", "close"], Upgrade | Close],
    [["te", "keep-alive"], Names | KeepAlive],
  ];
  for (const [values, bits] of cases) {
    test(`${JSON.stringify(values)}`, () => {
      const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
      const fields = values.map((value) => `Connection: ${value}`);
      assert.equal(verdictOf(scan, "request", request(GET, ...fields)), "complete");
      assert.equal(scan.connection, bits);
    });
  }

  test("don't stay from one head to the next", () => {
    const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
    const first = ["Host: a", "Connection: close", "Transfer-Encoding: chunked", "Via: x"];
    verdictOf(scan, "request", request(GET, ...first));
    verdictOf(scan, "request", request(GET, "A: b"));
    assert.deepEqual([scan.connection, scan.chunked, scan.contentLength, scan.present], [0, false, -1, 0]);
    assert.deepEqual(pairsOf(scan), [["A", "b"]]);
  });
});

describe("limits", () => {
  const limits: HeadLimits = { requestLine: 40, bytes: 200, fields: 4 };

  test("a target may fill the request line and no more", () => {
    assertVerdict("request", request(`GET /${"x".repeat(34)} HTTP/1.1`), "complete", limits);
    assertVerdict("request", request(`GET /${"x".repeat(35)} HTTP/1.1`), "REQUEST_LINE_TOO_LONG", limits);
    assertVerdict("request", `GET /${"x".repeat(60)}`, "REQUEST_LINE_TOO_LONG", limits);
    assertVerdict("request", `${"M".repeat(60)}`, "REQUEST_LINE_TOO_LONG", limits);
    assertVerdict("request", `${"M".repeat(60)}\xff / HTTP/1.1\r\n`, "REQUEST_LINE_TOO_LONG", limits);
    // What is wrong within the limit comes first.
    assertVerdict("request", `GET /\xff${"x".repeat(60)}`, "BAD_REQUEST_LINE", limits);
  });

  test("a head may have its size and no more", () => {
    const fill = (size: number): string => {
      const empty = request(GET, "A: ");
      return request(GET, `A: ${"x".repeat(size - empty.length)}`);
    };
    assert.equal(fill(200).length, 200);
    assertVerdict("request", fill(200), "complete", limits);
    assertVerdict("request", `${fill(200)}${"body".repeat(100)}`, "complete", limits);
    assertVerdict("request", fill(201), "HEAD_TOO_LARGE", limits);
    assertVerdict("request", fill(5000), "HEAD_TOO_LARGE", limits);
    assertVerdict("request", `${GET}\r\nA: ${"x".repeat(180)}`.slice(0, 200), "incomplete", limits);
    assertVerdict("response", request(`${OK}${"!".repeat(300)}`), "HEAD_TOO_LARGE", limits);
    assertVerdict("trailers", `A: ${"x".repeat(300)}\r\n\r\n`, "HEAD_TOO_LARGE", limits);
    assertVerdict("trailers", `${"n".repeat(300)}: a\r\n\r\n`, "HEAD_TOO_LARGE", limits);
  });

  test("what is past the limit doesn't change the reason", () => {
    assertVerdict("request", `${GET}\r\nA: ${"x".repeat(200)}\0\r\n\r\n`, "HEAD_TOO_LARGE", limits);
    assertVerdict(
      "request",
      `${GET}\r\nA: ${"x".repeat(100)}\0${"x".repeat(200)}`,
      "BAD_FIELD_VALUE",
      limits,
    );
  });

  test("a head may have its number of fields and no more", () => {
    assertVerdict("request", request(GET, "A:", "B:", "C:", "D:"), "complete", limits);
    assertVerdict("request", request(GET, "A:", "B:", "C:", "D:", "E:"), "TOO_MANY_FIELDS", limits);
    assertVerdict("response", request(OK, "A:", "B:", "C:", "D:", "E:"), "TOO_MANY_FIELDS", limits);
  });
});

test("a cut head is never complete, and the rest makes no difference to what is refused", () => {
  const line = fc.constantFrom(
    GET,
    "POST /a?b HTTP/1.1",
    "get http://x/ HTTP/1.0",
    "GET / HTTP/2.0",
    "GET /x",
  );
  const field = fc.constantFrom(
    "Host: a",
    "Content-Length: 5",
    "Content-Length: 05",
    "Transfer-Encoding: chunked",
    "Connection: close, x",
    "X: y",
    " folded",
    "Bad : z",
    "",
  );
  const lineEnd = fc.constantFrom("\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r");
  const head = fc
    .tuple(line, fc.array(fc.tuple(lineEnd, field), { maxLength: 8 }))
    .map(([first, rest]) => `${first}${rest.flat().join("")}\r\n\r\n`);
  const scan = new HeadScan({ requestLine: 100, bytes: 300, fields: 6 });
  fc.assert(
    fc.property(head, (text) => {
      const whole = verdictOf(scan, "request", text);
      const headEnd = whole === "complete" ? scan.end - "\r\n\r\nGET ".length : text.length;
      for (let cut = 0; cut < headEnd; cut++) {
        const verdict = verdictOf(scan, "request", text.slice(0, cut));
        assert.notEqual(verdict, "complete");
        if (verdict !== "incomplete") assert.equal(verdict, whole);
      }
    }),
  );
});
