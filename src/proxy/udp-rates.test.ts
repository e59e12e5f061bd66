import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { until } from "../../test/kit/deadline.ts";
import { createFaults, toxic } from "../../test/kit/stream-proxy.ts";
import { openUdp, startUdpEcho, startUdpProxy, type TestUdpProxy, type UdpPeer } from "../../test/kit/udp.ts";
import { builtinToxics } from "../chaos/toxics/index.ts";

/** Rates need many until they are close. */
const DATAGRAMS = 100_000;
const FEWER = 20_000;
/** Few enough that no kernel's buffer overflows: what is lost is lost by the toxics. */
const BURST = 32;
const SIZE = 48;

/** Numbers that arrived, in the order of their arrival. */
function listen(peer: UdpPeer): number[] {
  const numbers: number[] = [];
  peer.socket.removeAllListeners("message");
  peer.socket.on("message", (bytes: Buffer) => numbers.push(bytes.readUInt32BE()));
  return numbers;
}

/** Sends numbered datagrams, each burst when the one before has gone all its way. */
async function sendAll(client: UdpPeer, proxy: TestUdpProxy, count: number): Promise<void> {
  const passed = (): number => proxy.service.connections()[0]?.bytesUp ?? 0;
  for (let sent = 0; sent < count; sent += BURST) {
    for (let i = sent; i < sent + BURST; i++) {
      const bytes = Buffer.alloc(SIZE);
      bytes.writeUInt32BE(i);
      client.send(bytes, proxy.port);
    }
    while (passed() < (sent + BURST) * SIZE) await nextTurn();
    for (let turn = 0; turn < 3; turn++) await nextTurn();
  }
}

describe("datagrams there and back", () => {
  test("all arrive, 20,000 of them, once and in order, without toxics", async () => {
    await using origin = await startUdpEcho();
    await using proxy = await startUdpProxy([origin.port]);
    await using client = await openUdp();
    const arrived = listen(client);
    await sendAll(client, proxy, FEWER);
    await until("all are back", () => arrived.length === FEWER);
    assert.ok(arrived.every((number, i) => number === i));
  });

  test("are lost, doubled and overtaken as often as toxics say, within 1 %, of 100,000", async () => {
    const rates = { loss: 0.1, duplicate: 0.2, reorder: 0.05 };
    await using origin = await startUdpEcho();
    const faults = createFaults(builtinToxics);
    faults.add(toxic("packet_loss", { stream: "upstream", attributes: { loss_rate: rates.loss } }));
    faults.add(toxic("reorder", { attributes: { rate: rates.reorder } }));
    faults.add(toxic("duplicate", { attributes: { rate: rates.duplicate } }));
    await using proxy = await startUdpProxy([origin.port], {}, faults);
    await using client = await openUdp();
    const arrived = listen(client);
    const served: number[] = [];
    origin.socket.on("message", (bytes: Buffer) => served.push(bytes.readUInt32BE()));
    await sendAll(client, proxy, DATAGRAMS);
    await until("all that were served are back", () => new Set(arrived).size === served.length);

    const once = new Set<number>();
    let overtaken = 0;
    let latest = -1;
    for (const number of arrived) {
      if (number < latest && !once.has(number)) overtaken++;
      latest = Math.max(latest, number);
      once.add(number);
    }
    const measured = {
      loss: 1 - served.length / DATAGRAMS,
      duplicate: (arrived.length - once.size) / once.size,
      reorder: overtaken / once.size,
    };
    for (const name of ["loss", "duplicate", "reorder"] as const) {
      const off = Math.abs(measured[name] - rates[name]);
      assert.ok(off < 0.01, `${name}: ${measured[name]} instead of ${rates[name]}`);
    }
  });
});
