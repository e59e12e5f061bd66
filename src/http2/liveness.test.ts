import assert from "node:assert/strict";
import { test } from "node:test";
import { TimeoutClock, TimeoutQueue } from "../base/timeouts.ts";
import { Liveness, type LivenessOwner } from "./liveness.ts";

/** A peer whose silence is judged on a clock that the test moves; what comes of it is written down. */
class Stage implements LivenessOwner {
  needsPeer = true;
  readonly told: string[] = [];
  readonly liveness: Liveness;
  readonly #clock: TimeoutClock;
  #now = 0;

  constructor({ settings = 1_000, interval = 5_000, timeout = 2_000 } = {}) {
    this.#clock = new TimeoutClock(() => this.#now);
    this.liveness = new Liveness(this, {
      settingsTimeout: new TimeoutQueue(settings, this.#clock),
      pingInterval: new TimeoutQueue(interval, this.#clock),
      pingTimeout: new TimeoutQueue(timeout, this.#clock),
    });
    this.liveness.start();
  }

  probe(): void {
    this.told.push("probe");
  }

  onUnsettled(): void {
    this.told.push("unsettled");
  }

  onSilence(): void {
    this.told.push("silence");
  }

  pass(milliseconds: number): string[] {
    for (let passed = 0; passed < milliseconds; passed += 100) {
      this.#now += 100;
      this.#clock.advance(this.#now);
    }
    return this.told.splice(0);
  }

  [Symbol.dispose](): void {
    this.liveness.stop();
    this.pass(200);
  }
}

test("settings that aren't acknowledged", () => {
  using stage = new Stage();
  assert.deepEqual(stage.pass(900), []);
  assert.deepEqual(stage.pass(400), ["unsettled"]);
});

test("a peer that says nothing is asked, and is gone when it still says nothing", () => {
  using stage = new Stage();
  stage.liveness.settled();
  assert.deepEqual(stage.pass(4_900), []);
  assert.deepEqual(stage.pass(400), ["probe"]);
  assert.deepEqual(stage.pass(1_700), []);
  assert.deepEqual(stage.pass(400), ["silence"]);
});

test("whatever it says counts, before it is asked and after", () => {
  using stage = new Stage();
  stage.liveness.settled();
  for (let i = 0; i < 10; i++) {
    stage.liveness.heard = true;
    assert.deepEqual(stage.pass(4_000), []);
  }
  assert.deepEqual(stage.pass(6_000), ["probe"]);
  stage.liveness.heard = true;
  assert.deepEqual(stage.pass(5_000), []);
});

test("an answer to what it was asked begins the wait anew", () => {
  using stage = new Stage();
  stage.liveness.settled();
  assert.deepEqual(stage.pass(5_300), ["probe"]);
  stage.liveness.heard = true;
  stage.liveness.answered();
  assert.deepEqual(stage.pass(4_900), []);
  assert.deepEqual(stage.pass(400), ["probe"]);
});

test("a peer of which nothing is wanted isn't asked, until something is", () => {
  using stage = new Stage();
  stage.needsPeer = false;
  stage.liveness.settled();
  assert.deepEqual(stage.pass(20_000), []);
  stage.needsPeer = true;
  stage.liveness.watch();
  assert.deepEqual(stage.pass(5_300), ["probe"]);
  stage.needsPeer = false;
  assert.deepEqual(stage.pass(20_000), []);
});

test("what is switched off", () => {
  using unsettled = new Stage({ settings: 0 });
  unsettled.liveness.watch();
  assert.deepEqual(unsettled.pass(5_300), ["probe"]);
  using silent = new Stage({ interval: 0 });
  silent.liveness.settled();
  assert.deepEqual(silent.pass(60_000), []);
  using patient = new Stage({ timeout: 0 });
  patient.liveness.settled();
  assert.deepEqual(patient.pass(10_600), ["probe", "probe"]);
});

test("nothing comes after the end", () => {
  using stage = new Stage();
  stage.liveness.stop();
  stage.liveness.watch();
  stage.liveness.settled();
  assert.deepEqual(stage.pass(20_000), []);
});
