import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RequestHead } from "../../http/heads.ts";
import { parseReplacement, takeReplacement, toHeadText } from "./head-text.ts";

function request(init: Partial<Parameters<typeof RequestHead.from>[0]> = {}): RequestHead {
  const headers = [
    ["Host", "a.example"],
    ["Accept", "text/html"],
    ["Cookie", "a=1"],
    ["Cookie", "b=2"],
    ["Content-Length", "4"],
  ] as const;
  return RequestHead.from({ method: "POST", target: "/path?query", headers, body: 4, ...init });
}

const TEXT =
  "POST /path?query HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Length: 4\r\n\r\n";

/** The head as it is after a plugin made `text` of it. */
function replaced(text: string, head: RequestHead = request()): string {
  takeReplacement(head, parseReplacement(text, head));
  return toHeadText(head);
}

describe("a head as a plugin sees it", () => {
  test("is that of HTTP/1.1, whatever it came in", () => {
    const head = request();
    head.protocol = "HTTP/2";
    assert.equal(toHeadText(head), TEXT);
    const old = RequestHead.from({ target: "/", headers: [["X", "\xe4"]] });
    old.host = "b.example";
    assert.equal(toHeadText(old), "GET / HTTP/1.1\r\nHost: b.example\r\nX: \xe4\r\n\r\n");
  });

  test("comes back as it is", () => {
    assert.equal(replaced(TEXT), TEXT);
  });
});

describe("a head in the place of another", () => {
  test("may have another method, target, host and other fields", () => {
    const head = request();
    const text = TEXT.replace("POST /path?query", "PUT /other").replace("a.example", "b.example:8080");
    takeReplacement(
      head,
      parseReplacement(text.replace("Cookie: a=1\r\n", "X-New: 1\r\nx-new: 2\r\n"), head),
    );
    assert.deepEqual([head.method, head.target, head.host], ["PUT", "/other", "b.example:8080"]);
    assert.deepEqual(
      [...head.headers],
      [
        ["Host", "b.example:8080"],
        ["Accept", "text/html"],
        ["Cookie", "b=2"],
        ["Content-Length", "4"],
        ["x-new", "1"],
        ["x-new", "2"],
      ],
    );
    assert.deepEqual(head.headers.getAll("cookie"), ["b=2"]);
  });

  test("is refused when it isn't correct, or has something behind it", () => {
    for (const [text, problem] of [
      ["", /without an end/],
      [TEXT.slice(0, -2), /without an end/],
      [`${TEXT}GET / HTTP/1.1\r\n\r\n`, /something behind it: "GET \/ HTTP\/1\.1/],
      [`${TEXT}\0`, /something behind it/],
      [TEXT.replaceAll("\r\n", "\n"), /BAD_LINE_END|BAD_REQUEST_LINE/],
      [TEXT.replace("Accept:", "Accept :"), /BAD_FIELD_NAME/],
      [TEXT.replace("text/html", "a\0b"), /BAD_FIELD_VALUE/],
      [TEXT.replace("Host: a.example\r\n", ""), /BAD_HOST/],
      [TEXT.replace("Accept: text/html", "Host: b.example"), /SEVERAL_HOSTS/],
      [TEXT.replace("/path?query", "path"), /BAD_TARGET/],
      [TEXT.replace("HTTP/1.1", "HTTP/2.0"), /UNSUPPORTED_VERSION/],
    ] as const)
      assert.throws(() => parseReplacement(text, request()), problem, JSON.stringify(text));
  });

  test("changes nothing that says where the request ends, nor the connection", () => {
    const fields = [
      "Content-Length: 5",
      "Transfer-Encoding: chunked",
      "Connection: close",
      "Upgrade: websocket",
      "TE: trailers",
      "Expect: 100-continue",
      "Keep-Alive: 1",
    ];
    for (const field of fields) {
      assert.throws(
        () => parseReplacement(TEXT.replace("Cookie: a=1", field), request()),
        /refused|which no plugin may change/,
        field,
      );
    }
    assert.throws(
      () => parseReplacement(TEXT.replace("Content-Length: 4\r\n", ""), request()),
      /it changes content-length/,
    );
    for (const method of ["HEAD", "CONNECT"])
      assert.throws(
        () => parseReplacement(TEXT.replace("POST", method), request()),
        /makes|BAD_TARGET|BODY_IN_CONNECT/,
      );
    assert.throws(
      () =>
        parseReplacement(
          "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
          RequestHead.from({ method: "HEAD", target: "/", headers: { Host: "a" } }),
        ),
      /it makes GET of HEAD/,
    );
  });

  test("is the same request in one reading as in another, or it is refused", () => {
    const bytes = fc.string({
      unit: fc.constantFrom(
        "\r",
        "\n",
        "\r\n",
        ":",
        " ",
        "a",
        "Content-Length: 9",
        "Host: b",
        "\0",
        "\xff",
        "GET / HTTP/1.1",
      ),
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.nat(TEXT.length), bytes, (at, inserted) => {
        const head = request();
        let text: string;
        try {
          text = replaced(TEXT.slice(0, at) + inserted + TEXT.slice(at), head);
        } catch {
          return;
        }
        assert.deepEqual(head.headers.getAll("content-length"), ["4"]);
        assert.equal(head.headers.has("transfer-encoding"), false);
        assert.equal(head.headers.getAll("host").length, 1);
        assert.equal(text.indexOf("\r\n\r\n"), text.length - 4);
      }),
      { numRuns: 500 },
    );
  });
});
