import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ByteSink } from "../http/streams.ts";
import { StreamTunnel, type TunnelStream } from "./stream-tunnel.ts";

const stream: TunnelStream = {
  blocked: false,
  sendBytes() {},
  endBytes() {},
  abort() {},
  pauseBytes() {},
  resumeBytes() {},
};

/** Writes down what it is told. */
class Sink implements ByteSink {
  readonly heard: string[] = [];

  onBytes(): void {}
  onBytesBlocked(): void {}
  onBytesDrained(): void {}

  onBytesEnd(): void {
    this.heard.push("end");
  }

  onBytesClosed(error: Error | null): void {
    this.heard.push(`closed ${error?.message ?? ""}`.trim());
  }
}

function start(): { readonly tunnel: StreamTunnel; readonly heard: readonly string[] } {
  const sink = new Sink();
  return { tunnel: new StreamTunnel(stream, sink), heard: sink.heard };
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

describe("a stream's tunnel is closed once", () => {
  test("when both directions have ended and all is handed on", () => {
    for (const order of [
      ["onEnd", "onComplete"],
      ["onComplete", "onEnd"],
    ] as const) {
      const { tunnel, heard } = start();
      for (const step of order) tunnel[step]();
      tunnel.close(new Error("late"));
      assert.deepEqual(heard, ["end", "closed"]);
    }
  });

  test("when the stream is lost", () => {
    const { tunnel, heard } = start();
    tunnel.close(new Error("lost"));
    tunnel.close(null);
    tunnel.onComplete();
    assert.deepEqual(heard, ["closed lost"]);
  });

  test("when it is cut, also while nobody takes the rest of a stream that is over", async () => {
    for (const isOver of [false, true]) {
      const { tunnel, heard } = start();
      if (isOver) tunnel.onComplete();
      tunnel.abort();
      assert.deepEqual(heard, []);
      await nextTick();
      assert.deepEqual(heard, ["closed"]);
    }
  });
});
