import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Http2Error } from "./error-codes.ts";
import { FloodGuard } from "./flood-guard.ts";
import { DEFAULT_FLOOD_LIMITS, FLOOD_KINDS, Flood, FloodRules, floodName } from "./flood-limits.ts";

const { NoError, EnhanceYourCalm } = Http2Error;

function defaultGuard(): FloodGuard {
  return new FloodGuard(new FloodRules());
}

/** How often something goes well before it is too much, at most `most` times. */
function allowedTimes(most: number, act: (i: number) => Http2Error): number {
  for (let i = 0; i < most; i++) {
    const verdict = act(i);
    if (verdict === NoError) continue;
    assert.equal(verdict, EnhanceYourCalm);
    return i;
  }
  return most;
}

describe("floods", () => {
  test("of each kind end at their limit, which is named, and take nothing from each other's", () => {
    for (const kind of FLOOD_KINDS) {
      const guard = defaultGuard();
      const { burst } = DEFAULT_FLOOD_LIMITS[floodName(kind)];
      assert.equal(
        allowedTimes(1e6, () => guard.count(Flood[kind], 5000)),
        burst,
        kind,
      );
      assert.equal(guard.flood, kind);
      for (const other of FLOOD_KINDS) {
        if (other !== kind) assert.equal(guard.count(Flood[other], 5000), NoError);
      }
    }
  });

  test("are those that go on faster than allowances come back", () => {
    for (const kind of FLOOD_KINDS) {
      const { perSecond, burst } = DEFAULT_FLOOD_LIMITS[floodName(kind)];
      if (perSecond === 0) continue;
      const steady = defaultGuard();
      const interval = 1000 / perSecond;
      assert.equal(
        allowedTimes(100_000, (i) => steady.count(Flood[kind], 7 + i * interval * 1.001)),
        100_000,
        kind,
      );
      assert.equal(steady.flood, null);
      const faster = defaultGuard();
      const times = allowedTimes(1e6, (i) => faster.count(Flood[kind], 7 + (i * interval) / 2));
      assert.ok(times >= burst * 2 - 2 && times <= burst * 2 + 2, `${kind}: ${times}`);
    }
  });

  test("are forgotten with time", () => {
    const guard = defaultGuard();
    for (let i = 0; i < 100; i++) assert.equal(guard.count(Flood.Settings, 0), NoError);
    assert.equal(guard.count(Flood.Settings, 99), EnhanceYourCalm);
    assert.equal(guard.count(Flood.Settings, 10_000), NoError);
    allowedTimes(5000, () => guard.count(Flood.Ping, 10_000));
    assert.equal(guard.flood, "Settings", "the first one is named");
  });

  test("keep to limits of one's own", () => {
    const guard = new FloodGuard(new FloodRules({ ping: { burst: 2, perSecond: 0 } }));
    assert.equal(
      allowedTimes(10, (i) => guard.count(Flood.Ping, i * 1e9)),
      2,
    );
    assert.equal(
      allowedTimes(1e6, () => guard.count(Flood.Settings, 0)),
      DEFAULT_FLOOD_LIMITS.settings.burst,
    );
  });
});

describe("resets", () => {
  test("are paid for by streams that end well", () => {
    const guard = defaultGuard();
    // A client with short deadlines, for which half of its calls come too late.
    const times = allowedTimes(100_000, () => {
      guard.streamEnded();
      return guard.count(Flood.PeerReset, 0);
    });
    assert.equal(times, 100_000);
  });

  test("can't be paid for beforehand", () => {
    const guard = defaultGuard();
    for (let i = 0; i < 10_000; i++) guard.streamEnded();
    assert.equal(
      allowedTimes(1e6, () => guard.count(Flood.OwnReset, 0)),
      DEFAULT_FLOOD_LIMITS.ownReset.burst,
    );
  });
});

describe("DATA", () => {
  test("of nothing is a flood, but for the end of a stream", () => {
    const guard = defaultGuard();
    assert.equal(
      allowedTimes(100_000, () => guard.countData(0, 0, true, 0)),
      100_000,
    );
    assert.equal(
      allowedTimes(1e6, () => guard.countData(0, 0, false, 0)),
      DEFAULT_FLOOD_LIMITS.emptyData.burst,
    );
    assert.equal(guard.flood, "EmptyData");
  });

  test("that is padding only is one, also at the end of a stream", () => {
    const guard = defaultGuard();
    assert.ok(
      allowedTimes(1e6, () => guard.countData(0, 256, true, 0)) <= DEFAULT_FLOOD_LIMITS.emptyData.burst,
    );
  });

  test("of a byte a frame is one after a while", () => {
    const guard = defaultGuard();
    const times = allowedTimes(1e6, () => guard.countData(1, 0, false, 0));
    assert.equal(times, Math.floor((256 * 1024) / 5));
    assert.equal(guard.flood, "TinyData");
  });

  test("that is mostly padding is one", () => {
    const guard = defaultGuard();
    assert.ok(allowedTimes(1e6, () => guard.countData(10, 256, false, 0)) < 2000);
    const little = defaultGuard();
    assert.equal(
      allowedTimes(100_000, () => little.countData(100, 256, false, 0)),
      100_000,
    );
  });

  test("of the smallest messages of gRPC and WebSocket isn't", () => {
    const guard = defaultGuard();
    assert.equal(
      allowedTimes(1e6, () => guard.countData(5, 0, false, 0)),
      1e6,
    );
    assert.equal(
      allowedTimes(1e6, () => guard.countData(6, 0, false, 0)),
      1e6,
    );
  });

  test("of single key strokes isn't, as fast as one types, nor between larger ones", () => {
    const typing = defaultGuard();
    assert.equal(
      allowedTimes(1e6, (i) => typing.countData(1, 0, false, i * 2)),
      1e6,
    );
    const mixed = defaultGuard();
    assert.equal(
      allowedTimes(1e6, (i) => mixed.countData(i % 10 === 0 ? 100 : 1, 0, false, 0)),
      1e6,
    );
  });
});

test("window updates are paid for by the DATA that we send", () => {
  const guard = defaultGuard();
  const times = allowedTimes(200_000, (i) => {
    if (i % 8 === 0) guard.dataSent();
    return guard.count(Flood.WindowUpdate, 0);
  });
  assert.equal(times, 200_000);
  const idle = defaultGuard();
  assert.equal(
    allowedTimes(1e6, () => idle.count(Flood.WindowUpdate, 0)),
    DEFAULT_FLOOD_LIMITS.windowUpdate.burst,
  );
});

test("answers that are read don't count", () => {
  const guard = defaultGuard();
  for (let turn = 0; turn < 100; turn++) {
    assert.equal(
      allowedTimes(999, () => guard.count(Flood.UnreadAnswers, turn)),
      999,
    );
    guard.answersWritten();
  }
  assert.equal(
    allowedTimes(2000, () => guard.count(Flood.UnreadAnswers, 0)),
    1000,
  );
});

test("DATA on streams that were reset may be what their windows allowed, and a little more", () => {
  const guard = new FloodGuard(new FloodRules());
  const MB = 1024 * 1024;
  assert.equal(guard.takesStray(MB), true);
  assert.equal(guard.takesStray(1), false);
  guard.streamReset(100);
  assert.equal(guard.takesStray(99), true);
  assert.equal(guard.takesStray(1), false);
});
