import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { status as Status } from "@grpc/grpc-js";
import { ProxyError } from "../../src/base/errors.ts";
import { GrpcOrigin } from "../kit/grpc.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { startOrigin } from "../kit/origins.ts";
import { type ProxyUnderTest, request, startProxy } from "./proxy.ts";

const peer = { protocol: "h2c" } as const;
const BINARY = "application/grpc-web+proto";
const TEXT = "application/grpc-web-text";

function message(bytes: Buffer | string, flag = 0): Buffer {
  const body = Buffer.from(bytes);
  const head = Buffer.of(flag, 0, 0, 0, 0);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** The messages in a body, the last one being trailers. */
function messagesIn(body: Buffer): { readonly flag: number; readonly text: string }[] {
  const found = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    assert.ok(end <= body.length, "a message is cut");
    found.push({ flag: body[at]!, text: body.toString("latin1", at + 5, end) });
    at = end;
  }
  return found;
}

/** Text may be padded at any group. */
function fromText(text: string): Buffer {
  assert.equal(text.length % 4, 0);
  return Buffer.concat((text.match(/..../g) ?? []).map((group) => Buffer.from(group, "base64")));
}

async function callBy(
  proxy: ProxyUnderTest,
  method: string,
  content: string,
  body: Buffer,
  fields: Readonly<Record<string, string>> = {},
): Promise<{ readonly response: Response; readonly messages: ReturnType<typeof messagesIn> }> {
  const isText = content.includes("-text");
  const response = await fetch(`http://127.0.0.1:${proxy.port}/sluice.test.Echo/${method}`, {
    method: "POST",
    headers: { "content-type": content, "x-grpc-web": "1", ...fields },
    body: isText ? body.toString("base64") : new Uint8Array(body),
  });
  const received = Buffer.from(await response.arrayBuffer());
  return { response, messages: messagesIn(isText ? fromText(received.toString()) : received) };
}

describe("gRPC-Web", () => {
  for (const content of [BINARY, TEXT, "application/grpc-web", `${TEXT}+proto`]) {
    test(`is translated both ways as ${content}`, async () => {
      await using origin = await GrpcOrigin.start("web");
      await using proxy = await startProxy({ origin, peer, grpcWeb: true });
      const { response, messages } = await callBy(proxy, "Unary", content, message("hello"));
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("x-server"), "web");
      assert.match(
        response.headers.get("content-type") ?? "",
        /^application\/grpc-web(?<text>-text)?(?:\+proto)?$/,
      );
      assert.equal(response.headers.get("content-type")?.includes("-text"), content.includes("-text"));
      assert.deepEqual(messages[0], { flag: 0, text: "hello" });
      assert.equal(messages[1]?.flag, 0x80);
      assert.match(messages[1]?.text ?? "", /^(?:[a-z-]+:.*\r\n)*$/);
      assert.match(messages[1]?.text ?? "", /^grpc-status:0\r$/m);
      assert.match(messages[1]?.text ?? "", /^x-trailer:sent\r$/m);
      const seen = await origin.call(0);
      assert.deepEqual(seen.metadata.get("x-grpc-web"), ["1"]);
      const streamed = await callBy(proxy, "Download", content, message("20 1001"));
      assert.equal(streamed.messages.length, 21);
      assert.ok(streamed.messages.slice(0, 20).every(({ text }) => text.length === 1001));
    });
  }

  test("is understood from text in any pieces, padded anywhere", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await startProxy({ origin, peer, grpcWeb: true });
    const client = await proxy.connect();
    const bytes = message("some words");
    const text = [0, 4, 5, 9].map((at, i, all) => bytes.toString("base64", at, all[i + 1])).join("");
    assert.match(text, /=[^=]/);
    const headers = [`Content-Type: ${TEXT}`, "Transfer-Encoding: chunked"];
    void client.write(request("POST /sluice.test.Echo/Unary", ...headers));
    for (const char of text) await client.write(`1\r\n${char}\r\n`);
    await client.write("0\r\n\r\n");
    const { body } = await client.readResponse();
    assert.deepEqual(messagesIn(fromText(body.toString()))[0], { flag: 0, text: "some words" });
  });

  test("is translated for clients that speak HTTP/2", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await startProxy({ origin, peer, grpcWeb: true });
    await using client = new Http2Client(proxy.port);
    const head = { ":method": "POST", ":path": "/sluice.test.Echo/Unary", "content-type": BINARY };
    const answer = await client.send(head, message("two"));
    assert.equal(answer.trailers, null);
    assert.deepEqual(
      messagesIn(answer.body).map(({ flag }) => flag),
      [0, 0x80],
    );
    const text = { ...head, "content-type": TEXT, accept: BINARY };
    const other = await client.send(text, message("three").toString("base64"));
    assert.equal(other.headers["content-type"], BINARY);
    assert.equal(messagesIn(other.body)[0]?.text, "three");
  });

  test("sends each message on as soon as it is whole", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await startProxy({ origin, peer, grpcWeb: true });
    const client = await proxy.connect();
    const body = message("1 100 open").toString("base64");
    const headers = [`Content-Type: ${TEXT}`, `Content-Length: ${body.length}`];
    void client.write(request("POST /sluice.test.Echo/Download", ...headers) + body);
    const text = (await client.readUntil(message(Buffer.alloc(100)).toString("base64"))).toString();
    assert.match(text, /transfer-encoding: chunked/i);
    client.reset();
    await (await origin.call(0)).cancelled;
  });

  test("tells failures by fields, when there is no message", async () => {
    await using origin = await GrpcOrigin.start();
    const requestFilter = ({
      request: { headers },
    }: {
      request: { headers: { has(name: string): boolean } };
    }): void => {
      if (headers.has("x-lost")) throw new ProxyError("NO_ROUTE");
    };
    await using proxy = await startProxy({ origin, peer, grpcWeb: true, phases: { requestFilter } });
    for (const [fields, status, words] of [
      [{ "x-fail": "7:not%20you" }, Status.PERMISSION_DENIED, "not you"],
      [{ "x-lost": "1" }, Status.UNIMPLEMENTED, "HTTP 404 Not Found"],
      [{ "grpc-timeout": "50m", "x-wait": "-1" }, Status.DEADLINE_EXCEEDED, null],
    ] as const) {
      const { response, messages } = await callBy(proxy, "Unary", TEXT, message(""), fields);
      assert.equal(response.status, 200);
      assert.match(response.headers.get("content-type") ?? "", /^application\/grpc-web-text/);
      const inBody = messages.at(-1)?.text ?? "";
      const told = response.headers.get("grpc-status") ?? /^grpc-status:(\d+)\r$/m.exec(inBody)?.[1];
      assert.equal(told, String(status));
      const encoded = response.headers.get("grpc-message");
      if (words !== null) assert.equal(decodeURIComponent(encoded ?? ""), words);
    }
  });

  test("tells a failure in the middle between messages, and breaks off within one", async () => {
    await using origin = await startOrigin({ http2: true });
    const sent = new Map([
      ["/between", message("whole")],
      ["/within", message("whole").subarray(0, 7)],
    ]);
    for (const [path, bytes] of sent) {
      origin.handle(path, ({ response }) => {
        assert.ok("stream" in response);
        response.writeHead(200, { "content-type": "application/grpc+proto" });
        response.write(bytes, () => response.stream.close(2));
      });
    }
    await using proxy = await startProxy({ origin, peer, grpcWeb: true });
    const url = `http://127.0.0.1:${proxy.port}`;
    const init = { method: "POST", headers: { "content-type": BINARY }, body: new Uint8Array(message("")) };
    const between = Buffer.from(await (await fetch(`${url}/between`, init)).arrayBuffer());
    const [first, last] = messagesIn(between);
    assert.equal(first?.text, "whole");
    assert.match(last?.text ?? "", /^grpc-status:13\r\n/);
    await assert.rejects(async () => (await fetch(`${url}/within`, init)).arrayBuffer());
  });

  test("that is no base64 is refused", async () => {
    await using origin = await GrpcOrigin.start();
    await using proxy = await startProxy({ origin, peer, grpcWeb: true });
    for (const body of ["AAAA!", "AAA", "AAAAAAAA=="]) {
      const response = await fetch(`http://127.0.0.1:${proxy.port}/sluice.test.Echo/Unary`, {
        method: "POST",
        headers: { "content-type": TEXT },
        body,
      });
      assert.equal(response.headers.get("grpc-status"), String(Status.INTERNAL));
    }
  });

  test("goes through as it is where nobody asked for a translation, as does what isn't gRPC", async () => {
    await using origin = await startOrigin({ http2: true });
    origin.handle("/page", ({ response }) => {
      assert.ok("stream" in response);
      response.writeHead(502, { "content-type": "text/html" });
      response.end("<p>no</p>");
    });
    await using plain = await startProxy({ origin, peer });
    await using web = await startProxy({ origin, peer, grpcWeb: true });
    const headers = { "content-type": BINARY };
    await fetch(`http://127.0.0.1:${plain.port}/echo`, { method: "POST", headers, body: "x" });
    assert.equal((await origin.request(0)).headers["content-type"], BINARY);
    const page = await fetch(`http://127.0.0.1:${web.port}/page`, { method: "POST", headers, body: "x" });
    assert.deepEqual([page.status, await page.text()], [502, "<p>no</p>"]);
    assert.equal((await origin.request(1)).headers["content-type"], "application/grpc+proto");
    await fetch(`http://127.0.0.1:${web.port}/echo`, { method: "POST", body: "x" });
    assert.match((await origin.request(2)).headers["content-type"] ?? "", /^text\/plain/);
  });
});

describe("pages of other origins", () => {
  const asking = {
    origin: "https://app.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-grpc-web,x-own",
  };

  test("are told that they may call, and what they may read", async () => {
    await using origin = await GrpcOrigin.start();
    const grpcWeb = { origins: ["https://app.example"], maxAge: 60 };
    await using proxy = await startProxy({ origin, peer, grpcWeb });
    const client = await proxy.connect();
    const lines = Object.entries(asking).map(([name, value]) => `${name}: ${value}`);
    const preflight = await client.exchange(request("OPTIONS /sluice.test.Echo/Unary", ...lines));
    assert.equal(preflight.status, 204);
    assert.equal(preflight.header("access-control-allow-origin"), "https://app.example");
    assert.equal(preflight.header("access-control-allow-headers"), "content-type,x-grpc-web,x-own");
    assert.equal(preflight.header("access-control-allow-methods"), "POST");
    assert.equal(preflight.header("access-control-max-age"), "60");
    const fields = { origin: "https://app.example" };
    const { response } = await callBy(proxy, "Unary", BINARY, message("x"), fields);
    assert.equal(response.headers.get("access-control-allow-origin"), "https://app.example");
    assert.equal(response.headers.get("access-control-expose-headers"), "*");
    assert.match(response.headers.get("vary") ?? "", /origin/i);
    assert.equal(origin.seen.length, 1);
  });

  test("read the fields that there are, where cookies are sent", async () => {
    await using origin = await GrpcOrigin.start("named");
    const grpcWeb = { origins: ["https://app.example"], credentials: true };
    await using proxy = await startProxy({ origin, peer, grpcWeb });
    const { response } = await callBy(proxy, "Unary", BINARY, message("x"), {
      origin: "https://app.example",
    });
    assert.equal(response.headers.get("access-control-allow-credentials"), "true");
    const names = response.headers.get("access-control-expose-headers")?.split(", ") ?? [];
    for (const name of ["grpc-status", "grpc-message", "x-server"]) assert.ok(names.includes(name), name);
  });

  test("that nobody named are told nothing, and other preflights are the servers'", async () => {
    await using origin = await startOrigin({ http2: true });
    const grpcWeb = { origins: ["https://app.example"] };
    await using proxy = await startProxy({ origin, peer, grpcWeb });
    const client = await proxy.connect();
    const preflight = (fields: Readonly<Record<string, string>>): string =>
      request("OPTIONS /echo", ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`));
    for (const other of [
      "https://app.example.other",
      "https://an-app.example",
      "http://app.example",
      "null",
      "*",
    ]) {
      const refused = await client.exchange(preflight({ ...asking, origin: other }));
      assert.equal(refused.status, 403);
      assert.equal(refused.header("access-control-allow-origin"), undefined);
    }
    assert.equal(origin.requests.length, 0);
    for (const others of ["x-own", "x-grpc-web-own", "own-x-grpc-web", ""])
      await client.exchange(preflight({ ...asking, "access-control-request-headers": others }));
    assert.equal(origin.requests.length, 4);
    const response = await fetch(`http://127.0.0.1:${proxy.port}/echo`, {
      method: "POST",
      headers: { "content-type": BINARY, origin: "https://other.example" },
      body: "x",
    });
    assert.equal(response.headers.get("access-control-allow-origin"), null);
  });
});
