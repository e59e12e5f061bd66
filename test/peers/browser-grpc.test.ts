import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { startProxy } from "../e2e/proxy.ts";
import { startSecureProxy } from "../e2e/tls-proxy.ts";
import { CHROMIUM_FLAGS } from "../kit/chromium.ts";
import { withDeadline } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { GrpcOrigin } from "../kit/grpc.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { startProgram } from "../kit/process.ts";

/** A browser takes its time to start on a busy machine, milliseconds. */
const PATIENCE = 45_000;
const CLIENT = readFileSync(
  fileURLToPath(import.meta.resolve("grpc-web")).replace(/index\.js$/, "index.esm.js"),
);

/** What calls came to, in the page, over one proxy in one form. */
interface CallReport {
  readonly answer: string;
  readonly failure: string;
  readonly header: string | null;
  /** Sizes of the messages of a stream. */
  readonly sizes: readonly number[];
}

/** Runs in the page: calls each proxy in both forms by the browser's own means. */
const SCRIPT = `
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "/grpc-web.js";
const identity = (bytes) => bytes;
const method = (name, type) => new MethodDescriptor("/sluice.test.Echo/" + name, type, Uint8Array, Uint8Array, identity, identity);
const bytes = (words) => new TextEncoder().encode(words);
async function run(host, format) {
  const client = new GrpcWebClientBase({ format });
  const unary = method("Unary", MethodType.UNARY);
  const url = host + "/sluice.test.Echo/Unary";
  let header = null;
  const answer = await new Promise((resolve, reject) => {
    const call = client.rpcCall(url, bytes("from a page"), {}, unary, (error, value) => error ? reject(error) : resolve(new TextDecoder().decode(value)));
    call.on("metadata", (metadata) => { header = metadata["x-server"] ?? null; });
  });
  const failure = await client.unaryCall(url, bytes(""), { "x-fail": "8:too%20much" }, unary).then(() => "none", ({ code, message }) => code + " " + message);
  const sizes = [];
  if (format === "text") await new Promise((resolve, reject) => {
    const stream = client.serverStreaming(host + "/sluice.test.Echo/Download", bytes("12 5000"), {}, method("Download", MethodType.SERVER_STREAMING));
    stream.on("data", (message) => sizes.push(message.length));
    stream.on("error", reject);
    stream.on("end", resolve);
  });
  return { answer, failure, header, sizes };
}
const reports = [];
try {
  for (const host of JSON.parse(document.body.dataset.hosts))
    for (const format of ["text", "binary"]) reports.push(await run(host, format));
} catch (error) { reports.push(String(error?.message ?? error)); }
await fetch("/report", { method: "POST", body: JSON.stringify(reports) });`;

test("Chromium calls across origins by gRPC-Web, over HTTP/1 and HTTP/2", {
  skip: skipWithout("chromium"),
  timeout: 2 * PATIENCE,
}, async () => {
  const { promise, resolve } = Promise.withResolvers<CallReport[]>();
  let hosts: readonly string[] = [];
  const page = createServer((request, response) => {
    const isClient = request.url === "/grpc-web.js";
    response.setHeader("content-type", isClient ? "text/javascript" : "text/html");
    if (request.url === "/report")
      void text(request).then((body) => resolve(JSON.parse(body) as CallReport[]));
    const html = `<!doctype html><title>calls</title><body data-hosts='${JSON.stringify(hosts)}'><script type="module">${SCRIPT}</script>`;
    response.end(isClient ? CLIENT : html);
  });
  await once(page.listen(0, "127.0.0.1"), "listening");
  await using _ = { [Symbol.asyncDispose]: async () => void page.close().closeAllConnections() };
  const address = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;

  await using folder = await createTemporaryDirectory();
  await using origin = await GrpcOrigin.start("web");
  const peer = { protocol: "h2c" } as const;
  const grpcWeb = { origins: [address] };
  await using plain = await startProxy({ origin, peer, grpcWeb });
  const upstreamPeer = (): HttpPeer => new HttpPeer(`127.0.0.1:${origin.port}`, peer);
  await using secure = await startSecureProxy({ phases: { upstreamPeer }, grpcWeb });
  hosts = [`http://127.0.0.1:${plain.port}`, `https://localhost:${secure.proxy.port}`];

  const flags = [...CHROMIUM_FLAGS, `--user-data-dir=${folder.path}`, `${address}/`];
  await using browser = await startProgram(findProgram("chromium")!, flags);
  const reports = await withDeadline(promise, PATIENCE, () => `the page: ${browser.stderr.slice(-2000)}`);
  const well = { answer: "from a page", failure: "8 too much", header: "web" };
  const sizes = Array.from({ length: 12 }, () => 5000);
  assert.deepEqual(
    reports,
    [sizes, [], sizes, []].map((expected) => ({ ...well, sizes: expected })),
  );
  assert.equal(plain.count("http2Streams"), 0);
  assert.ok(secure.proxy.count("http2Streams") >= 5);
});
