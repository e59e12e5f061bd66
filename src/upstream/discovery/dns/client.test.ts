import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Answer } from "dns-packet";
import { DnsServer } from "../../../../test/kit/dns-server.ts";
import { freePort } from "../../../../test/kit/ports.ts";
import { ManualAlarmClock, threadAlarms } from "../../../base/alarms.ts";
import { DnsClient, type Resolution } from "./client.ts";

const never = new AbortController().signal;
const name = "web.example";
const type = "A";
const record: Answer = { name, type, ttl: 60, data: "127.0.0.5" };

function clientOf(...ports: readonly number[]): DnsClient {
  return new DnsClient(() => ports.map((port) => ({ host: "127.0.0.1", port })), threadAlarms);
}

function addressesOf({ records }: Resolution): unknown[] {
  return records.map(({ data }) => data);
}

function alias(from: string, to: string, ttl: number = 60): Answer {
  return { name: from, type: "CNAME", ttl, data: to };
}

describe("a client of the DNS", () => {
  test("asks from another port and with another id each time", async () => {
    await using server = await DnsServer.start();
    server.set(name, type, [record]);
    const client = clientOf(server.port);
    for (let i = 0; i < 20; i++) await client.resolve({ name, type }, never);
    assert.ok(new Set(server.asked.map(({ id }) => id)).size > 10);
    assert.ok(new Set(server.asked.map(({ port }) => port)).size > 5);
  });

  for (const before of ["wrong id", "wrong question"] as const) {
    test(`passes over an answer with a ${before}`, async () => {
      await using server = await DnsServer.start();
      server.set(name, type, { before, answers: [record] });
      const found = await clientOf(server.port).resolve({ name, type }, never);
      assert.deepEqual(addressesOf(found), ["127.0.0.5"]);
      assert.equal(found.ttl, 60_000);
    });
  }

  test("asks over TCP for what fits into no datagram", async () => {
    await using server = await DnsServer.start();
    const answers = Array.from({ length: 3000 }, (_, i): Answer => {
      return { name, type, ttl: 60, data: `10.0.${i >> 8}.${i & 255}` };
    });
    server.set(name, type, { answers: answers.slice(0, 2000), isTruncated: true });
    const found = await clientOf(server.port).resolve({ name, type }, never);
    assert.equal(new Set(addressesOf(found)).size, 2000);
    assert.deepEqual(
      server.asked.map(({ over }) => over),
      ["udp", "tcp"],
    );
  });

  test("asks without EDNS when the server doesn't know it", async () => {
    await using server = await DnsServer.start();
    server.set(name, type, [record]);
    server.script = ({ isExtended }) => (isExtended ? { code: 1 } : null);
    const found = await clientOf(server.port).resolve({ name, type }, never);
    assert.deepEqual(addressesOf(found), ["127.0.0.5"]);
    assert.equal(server.asked.length, 2);
  });

  for (const code of [2, 5]) {
    test(`asks the next server when one answers ${code}, and again from the first on`, async () => {
      await using bad = await DnsServer.start();
      await using worse = await DnsServer.start();
      bad.script = () => ({ code });
      worse.script = () => (worse.asked.length === 1 ? { code } : { answers: [record] });
      const found = await clientOf(bad.port, worse.port).resolve({ name, type }, never);
      assert.deepEqual(addressesOf(found), ["127.0.0.5"]);
      assert.deepEqual([bad.asked.length, worse.asked.length], [2, 2]);
    });
  }

  test("asks the next server when nobody listens", async () => {
    await using server = await DnsServer.start();
    server.set(name, type, [record]);
    const found = await clientOf(await freePort(), server.port).resolve({ name, type }, never);
    assert.deepEqual(addressesOf(found), ["127.0.0.5"]);
  });

  test("waits for a server, and for one that answers nonsense, only so long", async () => {
    await using silent = await DnsServer.start();
    await using babbling = await DnsServer.start();
    silent.script = () => ({ isSilent: true });
    babbling.script = () => ({ raw: Buffer.from("nonsense") });
    const clock = new ManualAlarmClock();
    const servers = [silent, babbling].map(({ port }) => ({ host: "127.0.0.1", port }));
    const result = new DnsClient(() => servers, clock).resolve({ name, type }, never);
    const failed = assert.rejects(result, (error: Error) => {
      const [first, second] = servers.map(
        ({ port }) => `name server 127.0.0.1:${port}: no answer within 2 s`,
      );
      assert.equal(error.message, `${first}; ${second}`);
      return true;
    });
    for (const [server, count] of [
      [silent, 1],
      [babbling, 1],
      [silent, 2],
      [babbling, 2],
    ] as const) {
      await server.untilAsked(count);
      clock.advance(2000);
    }
    await failed;
  });

  test("says of each server why it has no answer", async () => {
    await using server = await DnsServer.start();
    server.script = () => ({ code: 2 });
    const closed = await freePort();
    await assert.rejects(clientOf(server.port, closed).resolve({ name, type }, never), (error: Error) => {
      assert.match(error.message, new RegExp(`server 127.0.0.1:${server.port}: SERVFAIL; name`));
      assert.match(error.message, new RegExp(`server 127.0.0.1:${closed}: .*ECONNREFUSED`));
      return true;
    });
    await assert.rejects(clientOf().resolve({ name, type }, never), /there is no name server/);
    await assert.rejects(clientOf(server.port).resolve({ name: "a..b", type }, never), /"a..b" can be no/);
  });

  test("tells a name that doesn't exist from one without such records", async () => {
    await using server = await DnsServer.start();
    server.set(name, "AAAA", []);
    const client = clientOf(server.port);
    const [without, unknown] = await Promise.all([
      client.resolve({ name, type }, never),
      client.resolve({ name: "unknown.example", type }, never),
    ]);
    assert.deepEqual([without.exists, without.records], [true, []]);
    assert.deepEqual([unknown.exists, unknown.records], [false, []]);
  });

  test("follows a chain of names, and takes the shortest time of all its links", async () => {
    await using server = await DnsServer.start();
    server.set(name, type, [
      { name: "box.example", type, ttl: 50, data: "127.0.0.5" },
      { name: "other.example", type, ttl: 1, data: "127.0.0.6" },
      alias("middle.example", "Box.example", 20),
      alias(name, "middle.example", 40),
    ]);
    const found = await clientOf(server.port).resolve({ name: "Web.Example.", type }, never);
    assert.deepEqual(addressesOf(found), ["127.0.0.5"]);
    assert.equal(found.ttl, 20_000);
  });

  test("asks for the end of a chain that the answer leaves open", async () => {
    await using server = await DnsServer.start();
    server.set(name, type, [alias(name, "box.example", 10)]);
    server.set("box.example", type, [{ name: "box.example", type, ttl: 50, data: "127.0.0.5" }]);
    const found = await clientOf(server.port).resolve({ name, type }, never);
    assert.deepEqual(addressesOf(found), ["127.0.0.5"]);
    assert.equal(found.ttl, 10_000);
  });

  test("gives up on names that lead in a circle, and on answers that lead nowhere", async () => {
    await using server = await DnsServer.start();
    server.set(name, type, [alias(name, "box.example")]);
    server.set("box.example", type, [alias("box.example", name)]);
    await assert.rejects(clientOf(server.port).resolve({ name, type }, never), /doesn't end/);
    server.set(name, type, [alias(name, "box.example"), alias("box.example", name)]);
    const circle = await clientOf(server.port).resolve({ name, type }, never);
    assert.deepEqual(circle.records, []);
    server.set(name, type, [{ name: "other.example", type, ttl: 1, data: "127.0.0.6" }]);
    const before = server.asked.length;
    const nothing = await clientOf(server.port).resolve({ name, type }, never);
    assert.deepEqual(nothing.records, []);
    assert.equal(server.asked.length, before + 1);
  });

  test("ends at once when nobody waits any more", async () => {
    await using server = await DnsServer.start();
    server.script = () => ({ isSilent: true });
    const stopping = new AbortController();
    const failed = assert.rejects(
      clientOf(server.port).resolve({ name, type }, stopping.signal),
      /not any more/,
    );
    await server.untilAsked(1);
    stopping.abort(new Error("not any more"));
    await failed;
    assert.equal(server.asked.length, 1);
  });
});
