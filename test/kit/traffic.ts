import { ManualAlarmClock } from "../../src/base/alarms.ts";
import { TrafficBook } from "../../src/base/traffic/traffic-book.ts";
import type { PlaceReport, TopEntry, TopKind } from "../../src/observe/traffic/report.ts";
import { TrafficKeeper } from "../../src/observe/traffic/traffic-keeper.ts";

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

/** What this thread counts, to be looked at. */
export interface CountedPlaces {
  readonly book: TrafficBook;
  /** @throws Error when nothing is counted there */
  place(kind: PlaceReport["kind"], name: string): PlaceReport;
  names(kind: PlaceReport["kind"]): string[];
  top(by: TopKind): readonly TopEntry[];
}

export function countedPlaces(): CountedPlaces {
  const keeper = new TrafficKeeper(undefined, new ManualAlarmClock());
  const { book } = freshBook(keeper);
  const of = (kind: PlaceReport["kind"]): PlaceReport[] =>
    keeper.report().places.filter((place) => place.kind === kind);
  return {
    book,
    place(kind, name) {
      const found = of(kind).find((place) => place.name === name);
      if (found === undefined) throw new Error(`Nothing is counted at the ${kind} ${name}`);
      return found;
    },
    names: (kind) => of(kind).map(({ name }) => name),
    top: (by) => keeper.top(by, 100).entries,
  };
}
