import type { AlarmClock } from "../../base/alarms.ts";
import type { Predictor } from "../predictor.ts";
import type { CacheKey } from "../store.ts";
import { Fill, type FillKeeper, type FillOwner, FillState, type FillStateCode } from "./fill.ts";
import { FillGroup, type GroupKeeper } from "./fill-group.ts";
import { FillMemory, SlotStatus, type SlotStatusCode } from "./fill-memory.ts";
import type { FillSettings } from "./fill-settings.ts";

export interface FillMeans {
  /** One that keeps nothing alive is better: its alarms lie a minute ahead, and hardly ever ring. */
  readonly clock: AlarmClock;
  /** Shared by the same threads. */
  readonly predictor: Predictor;
}

/**
 * Lets one request of all threads go to the server for what many want at once. Who comes first has claimed the key; the others wait until
 * that has led somewhere. A table that is full lets requests go to the server alone, and never fails.
 *
 * Background refreshes claim keys in the same way, so that there is one at a time (`seekNow`).
 */
export class FillTable implements FillKeeper, GroupKeeper {
  readonly #memory: FillMemory;
  readonly #settings: FillSettings;
  readonly clock: AlarmClock;
  readonly #predictor: Predictor;
  /** By slot. One stays while its doorbell is out, also when nobody waits any more. */
  readonly #groups = new Map<number, FillGroup>();
  /** Fetches of this thread that no client waits for: whoever begins and ends one counts it. */
  unwatched = 0;

  /**
   * @param memory of `allocateFills`, for all threads
   * @param thread from 0, each has its own: what it has claimed when it dies is given up by `forgetThread`
   */
  constructor(memory: SharedArrayBuffer, thread: number, settings: FillSettings, means: FillMeans) {
    this.#memory = new FillMemory(memory, thread);
    this.#settings = settings;
    this.clock = means.clock;
    this.#predictor = means.predictor;
  }

  /** Milliseconds after which what was begun is thought to lead nowhere. */
  get longestClaim(): number {
    return this.#settings.longestClaim;
  }

  /** Whether nothing more had better be fetched that no client waits for. */
  get isCrowded(): boolean {
    return this.unwatched >= MOST_UNWATCHED;
  }

  /** Settles who fetches. The owner is told of the rest when it has to wait, never before this returns. */
  seek(key: CacheKey, owner: FillOwner): Fill {
    const fill = new Fill(this, key, owner, this.clock.now() + this.#settings.longestWait);
    this.place(fill);
    return fill;
  }

  /**
   * A claim on the key, for what can as well be left to another time; null: somebody fetches it already, the table is full, or so
   * much is fetched that nobody waits for.
   */
  seekNow(key: CacheKey): Fill | null {
    if (this.isCrowded) return null;
    const fill = new Fill(this, key, null, Number.POSITIVE_INFINITY);
    this.#claim(fill, this.clock.now());
    return fill.state === FillState.Mine ? fill : null;
  }

  /** @internal */
  place(fill: Fill): void {
    const now = this.clock.now();
    if (this.#predictor.isUncacheable(fill, now)) fill.state = FillState.Unstorable;
    else if (fill.until <= now) fill.state = FillState.TimedOut;
    else if (fill.rounds++ > this.#settings.mostTries) fill.state = FillState.Alone;
    else this.#claim(fill, now);
  }

  /** @internal */
  end(fill: Fill, state: FillStateCode, isLasting: boolean): void {
    const before = fill.state;
    fill.state = FillState.Over;
    if (isLasting) this.#predictor.remember(fill, this.clock.now());
    if (state === FillState.Found) this.#predictor.forget(fill);
    if (before === FillState.Waiting) fill.group?.remove(fill);
    if (before === FillState.Mine) this.#release(fill, state);
  }

  /** @internal */
  look(group: FillGroup): void {
    const memory = this.#memory;
    const { slot } = group;
    if (this.#groups.get(slot) !== group) {
      // The slot is another one's: what these have waited for is over.
      group.settle(FillState.Found);
      return;
    }
    for (;;) {
      memory.enterSlot(slot);
      const taker = this.#takeOver(group);
      const outcome = this.#outcomeFor(group);
      const seen = memory.state(slot);
      group.tooOld = memory.since(slot) + this.#settings.longestClaim;
      memory.leave();
      taker?.owner?.onFill(taker);
      if (outcome !== FillState.Waiting || group.isEmpty) {
        this.#groups.delete(slot);
        group.settle(outcome);
        return;
      }
      if (group.isListening || this.#listen(group, seen)) break;
    }
    group.wind();
  }

  #claim(fill: Fill, now: number): void {
    const memory = this.#memory;
    const known = memory.enter(fill.hash);
    const slot = known === -1 ? memory.freeSlot(fill.hash) : known;
    if (slot === -1) fill.state = FillState.Alone;
    else if (known !== -1 && this.#isClaimed(slot, now)) {
      fill.state = FillState.Waiting;
      fill.slot = slot;
      fill.root = memory.root(slot);
    } else this.#take(fill, slot, now, known !== -1 && isUnderWay(memory.status(slot)));
    memory.leave();
    if (fill.state === FillState.Waiting && fill.owner !== null) this.#join(fill);
  }

  #isClaimed(slot: number, now: number): boolean {
    const memory = this.#memory;
    const isYoung = now - memory.since(slot) < this.#settings.longestClaim;
    return isYoung && memory.status(slot) === SlotStatus.Claimed;
  }

  #take(fill: Fill, slot: number, now: number, isHeir: boolean): void {
    const memory = this.#memory;
    fill.ticket = isHeir ? memory.take(slot, now) : memory.begin(slot, fill.hash, now);
    fill.root = memory.root(slot);
    fill.slot = slot;
    fill.state = FillState.Mine;
  }

  /** Waits with those of this thread that wait already. */
  #join(fill: Fill): void {
    const known = this.#groups.get(fill.slot);
    if (known?.root === fill.root) {
      known.add(fill);
      return;
    }
    const group = new FillGroup(this, this.clock, fill.slot, fill.root);
    this.#groups.set(fill.slot, group);
    group.add(fill);
    // Later, or an owner might be told of a fill that it hasn't got yet.
    queueMicrotask(group.onBell);
  }

  /** @returns false: there is something new by now */
  #listen(group: FillGroup, seen: number): boolean {
    const bell = this.#memory.whenChanged(group.slot, seen);
    if (bell === null) return false;
    group.isListening = true;
    void bell.then(group.onBell);
    return true;
  }

  /** What is open, or has been claimed for too long, is the group's that hears of it first. */
  #takeOver(group: FillGroup): Fill | null {
    const memory = this.#memory;
    const { slot } = group;
    const now = this.clock.now();
    if (group.isEmpty || memory.root(slot) !== group.root) return null;
    if (!isUnderWay(memory.status(slot)) || this.#isClaimed(slot, now)) return null;
    const taker = group.takeFirst();
    this.#take(taker, slot, now, true);
    return taker;
  }

  /** A slot that is another key's by now says nothing any more: the entry is looked for. */
  #outcomeFor({ slot, root }: FillGroup): FillStateCode {
    if (this.#memory.root(slot) !== root) return FillState.Found;
    return OUTCOMES[this.#memory.status(slot)];
  }

  /** Whoever has an entry serves all who wait, also when another one has taken over; what failed is nobody's but its own. */
  #release(fill: Fill, state: FillStateCode): void {
    const memory = this.#memory;
    const { slot, root, ticket } = fill;
    memory.enterSlot(slot);
    const isCurrent = memory.root(slot) === root && isUnderWay(memory.status(slot));
    const hasFailed = state === FillState.Failed || state === FillState.Over;
    const isTold = isCurrent && (!hasFailed || memory.ticket(slot) === ticket);
    if (isTold && hasFailed) giveUp(memory, slot, this.#settings.mostTries);
    else if (isTold)
      memory.change(slot, state === FillState.Unstorable ? SlotStatus.Unstorable : SlotStatus.Vacant);
    memory.leave();
    if (isTold) memory.ring(slot);
  }
}

/** Clients that ask and go would have all of a server's connections otherwise, each for as long as the server takes. */
const MOST_UNWATCHED = 256;

const OUTCOMES: Record<SlotStatusCode, FillStateCode> = {
  [SlotStatus.Vacant]: FillState.Found,
  [SlotStatus.Claimed]: FillState.Waiting,
  [SlotStatus.Open]: FillState.Waiting,
  [SlotStatus.Unstorable]: FillState.Unstorable,
  [SlotStatus.Failed]: FillState.Failed,
};

function isUnderWay(status: SlotStatusCode): boolean {
  return status === SlotStatus.Claimed || status === SlotStatus.Open;
}

/** In between `enterSlot` and `leave`. */
function giveUp(memory: FillMemory, slot: number, mostTries: number): void {
  memory.change(slot, memory.countTry(slot) < mostTries ? SlotStatus.Open : SlotStatus.Failed);
}

/**
 * Gives up what a thread had claimed when it ended, in whichever way. By another one, before a new thread gets the number.
 * @param mostTries as in the settings
 */
export function forgetThread(
  buffer: SharedArrayBuffer,
  thread: number,
  own: number,
  mostTries: number,
): void {
  const memory = new FillMemory(buffer, own);
  for (let slot = 0; slot < memory.slots; slot++) {
    if (memory.status(slot) !== SlotStatus.Claimed || memory.claimant(slot) !== thread) continue;
    memory.enterSlot(slot);
    const isIts = memory.status(slot) === SlotStatus.Claimed && memory.claimant(slot) === thread;
    if (isIts) giveUp(memory, slot, mostTries);
    memory.leave();
    if (isIts) memory.ring(slot);
  }
}
