import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FrameType, MAX_31_BITS } from "./frames.ts";
import {
  afterLocalEnd,
  afterRemoteEnd,
  Ending,
  judgeOnClosed,
  judgeOnStream,
  StreamNumbers,
  StreamState,
  Verdict,
} from "./stream-states.ts";

const { Idle, Open, LocalEnded, RemoteEnded, Closed } = StreamState;
const { Data, Headers, Priority, ResetStream, WindowUpdate } = FrameType;
const { Accept, Ignore, StreamClosed, ConnectionStreamClosed, ProtocolError } = Verdict;

test("a stream is closed when both sides are at their end", () => {
  assert.equal(afterLocalEnd(Open), LocalEnded);
  assert.equal(afterRemoteEnd(Open), RemoteEnded);
  assert.equal(afterRemoteEnd(LocalEnded), Closed);
  assert.equal(afterLocalEnd(RemoteEnded), Closed);
  assert.equal(afterLocalEnd(LocalEnded), LocalEnded);
  assert.equal(afterRemoteEnd(RemoteEnded), RemoteEnded);
  assert.equal(Idle, 0);
});

describe("what a frame means (RFC 9113 §5.1)", () => {
  test("on streams that are there", () => {
    for (const type of [Data, Headers, Priority, ResetStream, WindowUpdate]) {
      assert.equal(judgeOnStream(Open, type), Accept);
      assert.equal(judgeOnStream(LocalEnded, type), Accept);
    }
    for (const type of [Priority, ResetStream, WindowUpdate]) {
      assert.equal(judgeOnStream(RemoteEnded, type), Accept);
    }
    for (const type of [Data, Headers]) assert.equal(judgeOnStream(RemoteEnded, type), StreamClosed);
  });

  test("on streams that are gone", () => {
    const { Unknown, Complete, PeerReset, WeReset } = Ending;
    for (const ending of [Unknown, Complete, PeerReset, WeReset]) {
      for (const type of [Priority, ResetStream, WindowUpdate]) {
        assert.equal(judgeOnClosed(ending, type), Ignore);
      }
    }
    for (const type of [Data, Headers]) {
      assert.equal(judgeOnClosed(WeReset, type), Ignore);
      assert.equal(judgeOnClosed(PeerReset, type), StreamClosed);
      assert.equal(judgeOnClosed(Complete, type), ConnectionStreamClosed);
    }
    assert.equal(judgeOnClosed(Unknown, Data), StreamClosed);
    assert.equal(judgeOnClosed(Unknown, Headers), ProtocolError);
  });
});

describe("the numbers of streams", () => {
  test("are odd for clients and even for servers", () => {
    const clients = new StreamNumbers("client");
    const servers = new StreamNumbers("server");
    assert.deepEqual(
      [0, 1, 2, 3, MAX_31_BITS].map((id) => clients.owns(id)),
      [false, true, false, true, true],
    );
    assert.deepEqual(
      [0, 1, 2, 3, MAX_31_BITS].map((id) => servers.owns(id)),
      [false, false, true, false, false],
    );
  });

  test("only get higher, and those that are passed over are closed", () => {
    const numbers = new StreamNumbers("client");
    assert.equal(numbers.isNew(1), true);
    numbers.open(5);
    assert.deepEqual(
      [0, 1, 3, 5, 6, 7].map((id) => numbers.isNew(id)),
      [false, false, false, false, false, true],
    );
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 7].map((id) => numbers.isIdle(id)),
      [false, true, false, true, false, true, true],
    );
    assert.equal(numbers.endingOf(3), Ending.Unknown);
    numbers.close(5, Ending.Complete);
    assert.deepEqual(
      [1, 3, 5].map((id) => numbers.endingOf(id)),
      [Ending.Unknown, Ending.Unknown, Ending.Complete],
    );
  });

  test("are remembered with how their streams ended, the latest ones", () => {
    const numbers = new StreamNumbers("client");
    for (let id = 1; id < 2000; id += 2) {
      numbers.open(id);
      numbers.close(id, (1 + (id % 3)) as Ending);
    }
    for (let id = 1; id < 2000; id += 2) {
      const isRemembered = id >= 2000 - 256;
      assert.equal(numbers.endingOf(id), isRemembered ? 1 + (id % 3) : Ending.Unknown, `${id}`);
    }
  });

  test("are remembered up to the last one", () => {
    const numbers = new StreamNumbers("client");
    numbers.open(MAX_31_BITS);
    numbers.close(MAX_31_BITS, Ending.WeReset);
    numbers.close(MAX_31_BITS, Ending.PeerReset);
    assert.equal(numbers.endingOf(MAX_31_BITS), Ending.WeReset);
    assert.equal(numbers.endingOf(MAX_31_BITS - 256), Ending.Unknown);
  });
});
