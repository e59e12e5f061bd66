import assert from "node:assert/strict";
import type { ProxyError } from "../../src/base/errors.ts";
import type { AttemptWatcher } from "../../src/upstream/attempt-watcher.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";

/** Counts attempts, and fails at once when it is told of them in another order than the contract says. */
export class RecordingWatcher implements AttemptWatcher {
  readonly isTimed: boolean = true;
  /** Attempts under way. */
  active = 0;
  begun = 0;
  refused = 0;
  readonly statuses: number[] = [];
  readonly times: number[] = [];
  /** How attempts ended: the error's code, or null. */
  readonly ends: (string | null)[] = [];
  /** How long attempts without a response were waited for. */
  readonly vain: number[] = [];
  /** How many attempts may be under way at once. */
  most: number = Number.POSITIVE_INFINITY;

  onBegin(): boolean {
    if (this.active >= this.most) {
      this.refused++;
      return false;
    }
    this.active++;
    this.begun++;
    return true;
  }

  onResponse(status: number, milliseconds: number): void {
    assert.ok(this.active > 0, "a response to no attempt");
    assert.ok(this.statuses.length < this.begun, "two responses to one attempt");
    assert.ok(milliseconds >= 0);
    this.statuses.push(status);
    this.times.push(milliseconds);
  }

  onEnd(error: ProxyError | null, waited: number): void {
    if (waited > 0) this.vain.push(waited);
    this.active--;
    assert.ok(this.active >= 0, "an attempt ended twice");
    this.ends.push(error?.code ?? null);
  }

  /** A peer that tells this watcher. */
  peer(port: number, options?: PeerOptions): HttpPeer {
    const peer = new HttpPeer(`127.0.0.1:${port}`, options);
    peer.watcher = this;
    return peer;
  }
}
