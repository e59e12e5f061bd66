import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LinkRig, type RigConnection } from "../../../test/kit/link-rig.ts";

/** Toxics that have to do with how connections end. */

function eventsOf(connection: RigConnection): readonly string[] {
  return connection.downstream.events;
}

describe("slow_close", () => {
  test("lets bytes pass and keeps the end", () => {
    const rig = new LinkRig();
    rig.add("slow_close", { delay: 1000 });
    const connection = rig.open();
    connection.push("x");
    connection.end();
    assert.equal(connection.downstream.text, "x");
    rig.clock.advance(999);
    assert.equal(connection.downstream.endedAt, null);
    rig.clock.advance(1);
    assert.equal(connection.downstream.endedAt, 1000);
  });

  test("counts a changed delay from the end", () => {
    const rig = new LinkRig();
    rig.add("slow_close", { delay: 10_000 });
    const [one, two] = [rig.open(), rig.open()];
    one.end();
    rig.clock.advance(300);
    two.end();
    rig.faults.update("slow_close", { attributes: { delay: 200 } });
    assert.deepEqual([one.downstream.endedAt, two.downstream.endedAt], [300, null]);
    rig.clock.advance(1000);
    assert.equal(two.downstream.endedAt, 500);
  });

  test("keeps back a close that another toxic wants", () => {
    const rig = new LinkRig();
    rig.add("limit_data", { bytes: 3 });
    rig.add("slow_close", { delay: 500 });
    const connection = rig.open();
    connection.push("abcdef");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["abc", []]);
    connection.push("more");
    rig.clock.advance(500);
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["abc", ["closed by limit_data"]]);
  });
});

describe("timeout", () => {
  test("drops everything and closes when nothing has come for that long", () => {
    const rig = new LinkRig();
    rig.add("timeout", { timeout: 100 });
    const connection = rig.open();
    for (let i = 0; i < 10; i++) {
      rig.clock.advance(90);
      connection.push("x");
    }
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["", []]);
    rig.clock.advance(99);
    assert.deepEqual(eventsOf(connection), []);
    rig.clock.advance(1);
    assert.deepEqual(eventsOf(connection), ["closed by timeout"]);
  });

  test("closes one on which nothing ever comes, counted from its opening or from the toxic's coming", () => {
    const rig = new LinkRig();
    const early = rig.open();
    rig.clock.advance(1000);
    rig.add("timeout", { timeout: 100 });
    const late = rig.open();
    rig.clock.advance(99);
    assert.deepEqual([...eventsOf(early), ...eventsOf(late)], []);
    rig.clock.advance(1);
    assert.deepEqual([...eventsOf(early), ...eventsOf(late)], ["closed by timeout", "closed by timeout"]);
  });

  test("of 0 never closes, until it is told another", () => {
    const rig = new LinkRig();
    rig.add("timeout", { timeout: 0 });
    const connection = rig.open();
    rig.clock.advance(1_000_000);
    assert.deepEqual(eventsOf(connection), []);
    connection.push("x");
    rig.clock.advance(50);
    rig.faults.update("timeout", { attributes: { timeout: 80 } });
    rig.clock.advance(29);
    assert.deepEqual(eventsOf(connection), []);
    rig.clock.advance(1);
    assert.deepEqual(eventsOf(connection), ["closed by timeout"]);
  });

  test("lets the end pass, and is over with it", () => {
    const rig = new LinkRig();
    rig.add("timeout", { timeout: 100 });
    const connection = rig.open();
    connection.push("x");
    connection.end();
    rig.clock.advance(1000);
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["", ["end"]]);
  });

  test("closes all connections when it is removed, those too that it didn't apply to", () => {
    const rig = new LinkRig();
    rig.add("timeout", { timeout: 0 }, { toxicity: 0.5 });
    const connections = Array.from({ length: 20 }, () => rig.open());
    const spared = connections.filter((connection) => connection.link().active.length === 0);
    assert.ok(spared.length > 0 && spared.length < 20);
    rig.faults.remove("timeout");
    for (const connection of connections) assert.deepEqual(eventsOf(connection), ["closed by timeout"]);
  });

  test("lets connections be when only its toxicity changes", () => {
    const rig = new LinkRig();
    rig.add("timeout", { timeout: 0 });
    const connection = rig.open();
    rig.faults.update("timeout", { toxicity: 0 });
    connection.push("x");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["x", []]);
  });

  test("drops what waits before it when it is removed", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 500 });
    const connection = rig.open();
    connection.push("held");
    rig.add("timeout", { timeout: 100 }, { name: "last" });
    rig.clock.advance(50);
    rig.faults.remove("last");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["", ["closed by last"]]);
  });
});

describe("idle_timeout", () => {
  test("lets everything pass and closes when nothing comes", () => {
    const rig = new LinkRig();
    rig.add("idle_timeout", { timeout: 100 });
    const connection = rig.open();
    for (let i = 0; i < 10; i++) {
      rig.clock.advance(90);
      connection.push("x");
    }
    assert.equal(connection.downstream.text, "x".repeat(10));
    rig.clock.advance(99);
    assert.deepEqual(eventsOf(connection), []);
    rig.clock.advance(1);
    assert.deepEqual(eventsOf(connection), ["closed by idle_timeout"]);
  });

  test("sets no alarm for each chunk", () => {
    const rig = new LinkRig();
    rig.add("idle_timeout", { timeout: 1000 });
    const connection = rig.open();
    for (let i = 0; i < 1000; i++) connection.push("x");
    assert.equal(rig.clock.pending, 1);
  });

  test("expects nothing of a sender that has ended", () => {
    const rig = new LinkRig();
    rig.add("idle_timeout", { timeout: 100 });
    const connection = rig.open();
    connection.end();
    rig.faults.update("idle_timeout", { attributes: { timeout: 50 } });
    rig.clock.advance(1000);
    assert.deepEqual(eventsOf(connection), ["end"]);
  });

  test("watches its direction alone, and closes both", () => {
    const rig = new LinkRig();
    rig.add("idle_timeout", { timeout: 100 }, { stream: "upstream" });
    const connection = rig.open();
    for (let i = 0; i < 20; i++) {
      rig.clock.advance(10);
      connection.push("x", "downstream");
    }
    assert.equal(connection.downstream.text, "x".repeat(9));
    assert.deepEqual(connection.upstream.events, ["closed by idle_timeout"]);
  });

  test("stays when it is removed", () => {
    const rig = new LinkRig();
    rig.add("idle_timeout", { timeout: 100 });
    const connection = rig.open();
    rig.faults.remove("idle_timeout");
    rig.clock.advance(1000);
    assert.deepEqual(eventsOf(connection), []);
  });
});

describe("reset_peer", () => {
  test("resets on the first byte", () => {
    const rig = new LinkRig();
    rig.add("reset_peer");
    const connection = rig.open();
    rig.clock.advance(1000);
    assert.deepEqual(eventsOf(connection), []);
    connection.push("x");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["", ["reset by reset_peer"]]);
  });

  test("resets on the end", () => {
    const rig = new LinkRig();
    rig.add("reset_peer");
    const connection = rig.open();
    connection.end();
    assert.deepEqual(eventsOf(connection), ["reset by reset_peer"]);
  });

  test("waits after the first byte, not after the last", () => {
    const rig = new LinkRig();
    rig.add("reset_peer", { timeout: 100 });
    const connection = rig.open();
    connection.push("x");
    rig.clock.advance(60);
    connection.push("y");
    rig.clock.advance(39);
    assert.deepEqual(eventsOf(connection), []);
    rig.clock.advance(1);
    assert.deepEqual(eventsOf(connection), ["reset by reset_peer"]);
  });

  test("can be told another time, or taken away, while it waits", () => {
    const rig = new LinkRig();
    rig.add("reset_peer", { timeout: 1000 });
    const [one, two] = [rig.open(), rig.open()];
    one.push("one");
    rig.clock.advance(300);
    two.push("two");
    two.end();
    rig.faults.update("reset_peer", { attributes: { timeout: 250 } });
    assert.deepEqual([eventsOf(one), eventsOf(two)], [["reset by reset_peer"], []]);
    rig.faults.remove("reset_peer");
    rig.clock.advance(1000);
    assert.deepEqual([two.downstream.text, eventsOf(two)], ["two", ["end"]]);
  });
});

describe("limit_data", () => {
  test("closes when so many bytes have passed, in the middle of a chunk", () => {
    const rig = new LinkRig();
    rig.add("limit_data", { bytes: 5 });
    const connection = rig.open();
    connection.push("abc");
    assert.deepEqual(eventsOf(connection), []);
    connection.push("defg");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["abcde", ["closed by limit_data"]]);
  });

  test("closes with the last byte, not with the one after it", () => {
    const rig = new LinkRig();
    rig.add("limit_data", { bytes: 3 });
    const connection = rig.open();
    connection.push("abc");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["abc", ["closed by limit_data"]]);
  });

  test("of 0 closes with the first byte", () => {
    const rig = new LinkRig();
    rig.add("limit_data");
    const connection = rig.open();
    rig.clock.advance(100);
    assert.deepEqual(eventsOf(connection), []);
    connection.push("a");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["", ["closed by limit_data"]]);
  });

  test("counts on through changes, of its toxicity too", () => {
    const rig = new LinkRig();
    rig.add("limit_data", { bytes: 10 });
    const connection = rig.open();
    connection.push("abcde");
    rig.faults.update("limit_data", { attributes: { bytes: 8 } });
    rig.faults.update("limit_data", { toxicity: 0 });
    connection.push("uncounted");
    rig.faults.update("limit_data", { toxicity: 1 });
    connection.push("fghij");
    assert.equal(connection.downstream.text, "abcdeuncountedfgh");
    assert.deepEqual(eventsOf(connection), ["closed by limit_data"]);
  });

  test("closes behind what it let through, however late that arrives", () => {
    const rig = new LinkRig();
    rig.add("limit_data", { bytes: 6 });
    rig.add("latency", { latency: 300 });
    rig.add("bandwidth", { bytes_per_second: 100 });
    const connection = rig.open();
    connection.push("abcd");
    connection.push("efgh");
    connection.push("never");
    assert.equal(connection.link().isClear, false);
    rig.clock.advance(355);
    assert.deepEqual(eventsOf(connection), []);
    rig.clock.advance(5);
    assert.deepEqual(
      [connection.downstream.text, eventsOf(connection)],
      ["abcdef", ["closed by limit_data"]],
    );
    assert.equal(rig.clock.pending, 0);
  });

  test("drops what waits before it", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 300 });
    rig.add("limit_data", { bytes: 2 });
    const connection = rig.open();
    connection.push("ab");
    rig.clock.advance(100);
    connection.push("cd");
    rig.clock.advance(1000);
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["ab", ["closed by limit_data"]]);
    assert.equal(connection.link().held, 0);
  });

  test("lets no datagram pass in part", () => {
    const rig = new LinkRig({ kind: "datagrams" });
    rig.add("limit_data", { bytes: 5 });
    const connection = rig.open();
    connection.push("abc");
    connection.push("def");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["abc", ["closed by limit_data"]]);
  });
});

describe("a close", () => {
  test("waits for a receiver that goes on", async () => {
    const rig = new LinkRig();
    rig.add("limit_data", { bytes: 3 });
    const connection = rig.open();
    connection.link().pause();
    connection.push("abcd");
    await rig.run(1500, 100);
    assert.deepEqual(eventsOf(connection), []);
    connection.link().resume();
    await rig.run(1);
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["abc", ["closed by limit_data"]]);
    assert.equal(rig.clock.pending, 0);
  });

  test("doesn't wait for ever for one that has stopped", async () => {
    const rig = new LinkRig();
    rig.add("idle_timeout", { timeout: 100 });
    const connection = rig.open();
    connection.link().pause();
    connection.push("abcd");
    await rig.run(2099);
    assert.deepEqual(eventsOf(connection), []);
    await rig.run(1);
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["", ["closed by idle_timeout"]]);
  });

  test("survives whatever is changed meanwhile", () => {
    const rig = new LinkRig();
    rig.add("limit_data", { bytes: 2 });
    rig.add("latency", { latency: 100 });
    const connection = rig.open();
    connection.push("ab");
    rig.faults.remove("limit_data");
    rig.add("noop");
    connection.push("dropped");
    rig.faults.update("latency", { attributes: { latency: 50 } });
    rig.clock.advance(50);
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["ab", ["closed by limit_data"]]);
  });
});

describe("down", () => {
  test("refuses new connections and resets those that stand", () => {
    const rig = new LinkRig();
    const connection = rig.open();
    assert.equal(rig.faults.admit().refuse, false);
    rig.add("down");
    assert.deepEqual(eventsOf(connection), ["reset by down"]);
    assert.equal(rig.faults.admit().refuse, true);
    rig.faults.remove("down");
    assert.equal(rig.faults.admit().refuse, false);
  });

  test("leaves those that stand alone if it is told to, until it is told otherwise", () => {
    const rig = new LinkRig();
    const connection = rig.open();
    rig.add("down", { keep: true });
    connection.push("x");
    assert.deepEqual([connection.downstream.text, eventsOf(connection)], ["x", []]);
    assert.equal(rig.faults.admit().refuse, true);
    rig.faults.update("down", { attributes: { keep: false } });
    assert.deepEqual(eventsOf(connection), ["reset by down"]);
  });

  test("leaves those alone that its toxicity let in", () => {
    const rig = new LinkRig();
    rig.add("down", {}, { toxicity: 0.5 });
    let admitted = 0;
    for (let i = 0; i < 1000; i++) {
      if (rig.faults.admit().refuse) continue;
      admitted++;
      assert.deepEqual(eventsOf(rig.open()), []);
    }
    assert.ok(Math.abs(admitted - 500) < 60, `${admitted}`);
  });
});

describe("blackhole", () => {
  for (const stream of ["upstream", "downstream"] as const) {
    test(`swallows everything that goes ${stream}`, () => {
      const rig = new LinkRig();
      rig.add("blackhole", {}, { stream });
      const connection = rig.open();
      connection.push("up", "upstream");
      connection.push("down", "downstream");
      rig.clock.advance(1_000_000);
      const passed = [connection.upstream.text, connection.downstream.text];
      assert.deepEqual(passed, stream === "upstream" ? ["", "down"] : ["up", ""]);
    });
  }

  test("doesn't show a client that the server has ended, until the client gives up", () => {
    const rig = new LinkRig();
    rig.add("blackhole");
    const connection = rig.open();
    connection.push("answer");
    connection.end();
    rig.clock.advance(1_000_000);
    assert.deepEqual(eventsOf(connection), []);
    connection.end("upstream");
    assert.deepEqual([connection.upstream.events, connection.downstream.events], [["end"], ["end"]]);
    assert.equal(connection.downstream.text, "");
  });

  test("lets a client go that gives up first", () => {
    const rig = new LinkRig();
    rig.add("blackhole", {}, { name: "up", stream: "upstream" });
    rig.add("blackhole", {}, { name: "down" });
    const connection = rig.open();
    connection.push("request", "upstream");
    connection.end("upstream");
    assert.deepEqual([connection.upstream.text, connection.upstream.events], ["", ["end"]]);
    connection.end("downstream");
    assert.deepEqual(connection.downstream.events, ["end"]);
  });
});

describe("connect_delay", () => {
  test("puts connecting off, and leaves connections that stand alone", () => {
    const rig = new LinkRig();
    const connection = rig.open();
    rig.add("connect_delay", { delay: 300, jitter: 100 });
    rig.add("connect_delay", { delay: 1000 }, { name: "more" });
    const delays = Array.from({ length: 200 }, () => rig.faults.admit().delay);
    assert.ok(delays.every((delay) => delay >= 1200 && delay < 1400));
    assert.ok(new Set(delays).size > 100);
    assert.ok(connection.link().isClear);
    assert.ok(rig.open().link().isClear);
  });
});
