import { TrafficBook } from "../../src/base/traffic/traffic-book.ts";
import type { TrafficKeeper } from "../../src/observe/traffic/traffic-keeper.ts";

/** A thread's book, and the memory that it lies in. */
export interface FreshBook {
  readonly book: TrafficBook;
  readonly memory: SharedArrayBuffer;
}

/** What a thread that begins now would count in. */
export function freshBook(keeper: TrafficKeeper): FreshBook {
  const memory = keeper.lend();
  if (memory === null) throw new Error("Nothing is counted");
  return { book: new TrafficBook(memory), memory };
}
