import { isIPv6, SocketAddress } from "node:net";
import { crc32 } from "node:zlib";
import type { Server } from "../server.ts";
import type { Circle } from "./hashing-policy.ts";

const POINTS_PER_WEIGHT = 160;

/**
 * Weights in sum: a million points, which take 6 MiB and a seventh of a second to make. Beyond it they are made smaller in
 * proportion.
 */
const MOST_WEIGHT = 6553;

/**
 * A ring of points, each a server's: a key belongs to the first point that isn't less than its CRC-32. Points are made and sorted
 * like nginx does for `hash … consistent` and Pingora for its Ketama ring, so that all three send the same key to
 * the same server, if they have the same servers and weights in the same order.
 */
export class KetamaRing implements Circle {
  readonly places: Uint16Array;
  readonly #points: Uint32Array;

  constructor(servers: readonly Server[], weights: readonly number[]) {
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const scale = Math.min(1, MOST_WEIGHT / sum);
    const sorted = sortedPoints(
      servers,
      weights.map((weight) => Math.max(1, Math.floor(weight * scale))),
    );
    this.#points = new Uint32Array(sorted.length);
    this.places = new Uint16Array(sorted.length);
    for (let at = 0; at < sorted.length; at++) {
      this.#points[at] = Math.floor(sorted[at]! / PLACES);
      this.places[at] = sorted[at]! % PLACES;
    }
  }

  find(hash: number): number {
    const points = this.#points;
    const wanted = hash >>> 0;
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (points[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low === points.length ? 0 : low;
  }
}

/** What a point is multiplied by to make room for a place beside it: together they are one number, which sorts fast. */
const PLACES = 2 ** 16;

/** By point; of equal ones, which are as rare as two in a hundred thousand, the server that was named first comes first. */
function sortedPoints(servers: readonly Server[], counts: readonly number[]): Float64Array {
  const points = new Float64Array(counts.reduce((sum, count) => sum + count, 0) * POINTS_PER_WEIGHT);
  const previous = Buffer.alloc(4);
  let at = 0;
  for (const [place, server] of servers.entries()) {
    const base = crc32(pointName(server));
    previous.fill(0);
    for (let left = counts[place]! * POINTS_PER_WEIGHT; left > 0; left--) {
      const point = crc32(previous, base);
      previous.writeUInt32LE(point);
      points[at++] = point * PLACES + place;
    }
  }
  return points.sort();
}

/**
 * What a server's points are made of: host, a zero byte, port; or the path of a Unix socket and a zero byte. An IPv6 address is
 * written in its shortest form and without brackets: so Pingora does it, nginx takes it as it is written.
 */
function pointName(server: Server): string {
  if (server.kind === "unix") return `${server.path}\0`;
  const { host, port } = server;
  return `${isIPv6(host) ? new SocketAddress({ address: host, family: "ipv6" }).address : host}\0${port}`;
}
