import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { startRawOrigin } from "../../test/kit/raw-origin.ts";
import { createFaults, startTcpProxy, toxic } from "../../test/kit/stream-proxy.ts";
import { latency } from "../chaos/toxics/latency.ts";
import { encodeProxyHeader, parseProxyHeader } from "../net/proxy-protocol.ts";

const LINE = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";

describe("a TCP proxy that tells where connections come from", () => {
  test("by a line of version 1, before anything else", async () => {
    await using origin = await startRawOrigin(() => {});
    await using proxy = await startTcpProxy([origin.port], { sendProxyProtocol: 1 });
    await using client = await connectRaw(proxy.port);
    const { localPort } = client.socket;
    const connection = await origin.connection(0);
    // A server may want to know before the client has said anything.
    const line = await connection.readUntil("\r\n");
    assert.equal(line.toString(), `PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${proxy.port}\r\n`);
    await client.write("hello");
    assert.equal((await connection.readExactly(5)).toString(), "hello");
    assert.equal(proxy.service.connections()[0]?.bytesUp, 5);
  });

  test("by a header of version 2", async () => {
    await using origin = await startRawOrigin(() => {});
    await using proxy = await startTcpProxy([origin.port], { sendProxyProtocol: 2, listen: "[::]:0" });
    await using client = await connectRaw(proxy.port);
    const header = await (await origin.connection(0)).readExactly(28);
    const read = parseProxyHeader(header, 0, header.length);
    assert.ok(read.kind === "complete");
    // IPv4 came to a socket for both.
    assert.deepEqual(read.addresses, {
      source: { address: "127.0.0.1", port: client.socket.localPort },
      destination: { address: "127.0.0.1", port: proxy.port },
    });
  });
});

describe("a TCP proxy that is told where connections come from", () => {
  test("believes it, and tells it on", async () => {
    await using origin = await startRawOrigin(() => {});
    const settings = { acceptProxyProtocol: true, sendProxyProtocol: 2 } as const;
    await using proxy = await startTcpProxy([origin.port], settings);
    await using client = await connectRaw(proxy.port);
    await client.write(`${LINE}hello`);
    const told = await (await origin.connection(0)).readExactly(33);
    const { source, destination } = {
      source: { address: "192.0.2.1", port: 56324 },
      destination: { address: "198.51.100.7", port: 443 },
    };
    assert.deepEqual(told.subarray(0, 28), encodeProxyHeader(2, { source, destination }));
    assert.equal(told.toString("latin1", 28), "hello");
    assert.equal(proxy.service.connections()[0]?.client, "192.0.2.1:56324");
    assert.equal(proxy.log.events[0]?.client, "192.0.2.1:56324");
  });

  test("also byte by byte, and keeps to the real address when the header names none", async () => {
    await using origin = await startRawOrigin(() => {});
    await using proxy = await startTcpProxy([origin.port], { acceptProxyProtocol: true });
    await using client = await connectRaw(proxy.port);
    const header = Buffer.concat([encodeProxyHeader(2, null), Buffer.from("hello")]);
    await client.writePieces(
      header,
      Array.from(header, (_byte, i) => i),
    );
    const connection = await origin.connection(0);
    assert.equal((await connection.readExactly(5)).toString(), "hello");
    assert.equal(proxy.service.connections()[0]?.client, `127.0.0.1:${client.socket.localPort}`);
  });

  test("counts connections by the client that is named", async () => {
    await using origin = await startRawOrigin([{ send: "ok" }]);
    const settings = { acceptProxyProtocol: true, maxConnectionsPerClient: 1 };
    await using proxy = await startTcpProxy([origin.port], settings);
    await using one = await connectRaw(proxy.port);
    await one.write(LINE);
    await one.readExactly(2);
    await using two = await connectRaw(proxy.port);
    await two.write(LINE);
    assert.equal((await two.readToEnd()).length, 0);
    await using three = await connectRaw(proxy.port);
    await three.write(LINE.replace("192.0.2.1", "192.0.2.2"));
    await three.readExactly(2);
    assert.deepEqual(proxy.log.of("refused"), ["connection limit of 1 per client reached"]);
  });

  for (const [name, bytes, reason] of [
    ["speaks something else", "GET / HTTP/1.1\r\n\r\n", "no PROXY header"],
    ["lies", LINE.replace("443", "65536"), "malformed line"],
  ] as const) {
    test(`refuses a client that ${name}`, async () => {
      await using origin = await startRawOrigin(() => {});
      await using proxy = await startTcpProxy([origin.port], { acceptProxyProtocol: true });
      await using client = await connectRaw(proxy.port);
      await client.write(bytes);
      assert.notEqual(await client.closed, "here");
      assert.deepEqual(proxy.log.of("refused"), [`PROXY protocol: ${reason}`]);
      assert.equal(origin.connections.length, 0);
    });
  }

  test("refuses a client that ends before it has told", async () => {
    await using origin = await startRawOrigin(() => {});
    await using proxy = await startTcpProxy([origin.port], { acceptProxyProtocol: true });
    await using client = await connectRaw(proxy.port);
    client.end(LINE.slice(0, 20));
    assert.equal(await client.closed, "end");
    const reason = "PROXY protocol: the client ended before its header did";
    assert.deepEqual(proxy.log.of("refused"), [reason]);
  });

  test("lays faults on what comes behind the header only", async () => {
    await using origin = await startRawOrigin(() => {});
    const faults = createFaults([latency]);
    faults.add(toxic("latency", { stream: "upstream", attributes: { latency: 200 } }));
    await using proxy = await startTcpProxy([origin.port], { acceptProxyProtocol: true }, faults);
    await using client = await connectRaw(proxy.port);
    const from = performance.now();
    await client.write(`${LINE}hello`);
    const connection = await origin.connection(0);
    await client.write(" world");
    assert.equal((await connection.readExactly(11)).toString(), "hello world");
    assert.ok(performance.now() - from > 195);
    assert.deepEqual(proxy.service.connections()[0]?.toxics, ["latency"]);
  });
});
