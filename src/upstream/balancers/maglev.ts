import type { Server } from "../server.ts";
import type { Circle } from "./hashing-policy.ts";
import { hashKey, mixHash } from "./key-hash.ts";

/** A prime. 128 KiB a thread; with a hundred servers it is even to a part of a percent. */
const SIZE = 65_537;

const EMPTY = 0xffff;

/**
 * A table in which each server has entries by its weight (D. E. Eisenbud et al., "Maglev: A Fast and Reliable Software Network
 * Load Balancer", NSDI 2016, section 3.4): found in one step and evener than a ring, but when servers come or go a few keys of others
 * move too.
 *
 * That price is paid for servers that are added or removed, and not for those that are out for a while: the paper builds the table
 * anew without them, which would move keys of well servers twice, there and back. Here they keep their entries, and who finds
 * one goes on to the next entry of another. Entries of all servers lie mixed, so that what a lost one had is spread
 * over all others by weight.
 */
export class MaglevTable implements Circle {
  readonly places: Uint16Array;

  /** @param size a prime, far more than there are servers */
  constructor(servers: readonly Server[], weights: readonly number[], size: number = SIZE) {
    this.places = new Uint16Array(size).fill(EMPTY);
    if (servers.length > 0) this.#fill(servers, weights);
  }

  find(hash: number): number {
    return (mixHash(hash) >>> 0) % this.places.length;
  }

  /** In rounds, in which the heaviest servers take an entry each, and those of half the weight in every other one. */
  #fill(servers: readonly Server[], weights: readonly number[]): void {
    const heaviest = Math.max(...weights);
    const takers = servers
      .map(
        (server, place) => new Taker(server.address, place, weights[place]! / heaviest, this.places.length),
      )
      // The order that servers are named in has no influence, so that proxies that find them in another one agree.
      .sort((a, b) => (a.address < b.address ? -1 : 1));
    for (let left = this.places.length; ; ) {
      for (const taker of takers) {
        if (!taker.isDue()) continue;
        taker.take(this.places);
        if (--left === 0) return;
      }
    }
  }
}

/** A server that takes the first free entry in an order of its own, each time that it is due. */
class Taker {
  readonly address: string;
  readonly #place: number;
  readonly #rate: number;
  readonly #skip: number;
  #credit = 0;
  #at: number;

  constructor(address: string, place: number, rate: number, size: number) {
    const hash = hashKey(address);
    this.address = address;
    this.#place = place;
    this.#rate = rate;
    this.#at = (mixHash(hash) >>> 0) % size;
    this.#skip = 1 + ((mixHash(hash ^ 0x9e37_79b9) >>> 0) % (size - 1));
  }

  isDue(): boolean {
    this.#credit += this.#rate;
    if (this.#credit < 1) return false;
    this.#credit--;
    return true;
  }

  take(places: Uint16Array): void {
    while (places[this.#at] !== EMPTY) this.#at = (this.#at + this.#skip) % places.length;
    places[this.#at] = this.#place;
  }
}
