import { PurgeKind, PurgeVerdict, type PurgeVerdictCode } from "./purge.ts";
import type { PurgeRecord } from "./purge-records.ts";

/** The generations of the last purges by one text. */
class Mark {
  hard = 0;
  soft = 0;

  add({ isSoft, generation }: PurgeRecord): void {
    if (isSoft) this.soft = generation;
    else this.hard = generation;
  }

  /** Of an entry of this generation. */
  verdict(generation: number): PurgeVerdictCode {
    if (this.hard > generation) return PurgeVerdict.Gone;
    return this.soft > generation ? PurgeVerdict.Stale : PurgeVerdict.Kept;
  }
}

type Marks = Map<string, Mark>;

/**
 * One thread's own view of the purges: what was purged is looked up, so that it takes the same time however many there are. Of prefixes
 * there is a map for each length.
 */
export class PurgeMarks {
  readonly #all = new Mark();
  readonly #keys: Marks = new Map();
  readonly #tags: Marks = new Map();
  readonly #prefixes = new Map<number, Marks>();
  /** Of those of all machines: numbers and generations, both ascending. */
  readonly #remotes: number[] = [];
  readonly #generations: number[] = [];

  add(record: PurgeRecord): void {
    this.#markOf(record).add(record);
    if (record.remote === 0) return;
    this.#remotes.push(record.remote);
    this.#generations.push(record.generation);
  }

  /**
   * @param key text of the entry's key; what makes it that of a variant stands behind a line feed
   * @param tags with spaces around each; "" without any
   */
  verdict(generation: number, key: string, tags: string): PurgeVerdictCode {
    const lineFeed = key.indexOf("\n");
    const primary = lineFeed === -1 ? key : key.slice(0, lineFeed);
    let verdict = this.#all.verdict(generation);
    verdict = worse(verdict, this.#keys.get(primary), generation);
    if (this.#tags.size > 0 && tags !== "")
      for (const tag of tags.slice(1, -1).split(" "))
        verdict = worse(verdict, this.#tags.get(tag), generation);
    for (const [length, marks] of this.#prefixes)
      if (length <= primary.length) verdict = worse(verdict, marks.get(primary.slice(0, length)), generation);
    return verdict;
  }

  /** The generation before the first purge of all machines that has a greater number; null: none has. */
  generationBefore(remote: number): number | null {
    const at = firstAbove(this.#remotes, remote);
    return at === this.#remotes.length ? null : this.#generations[at]! - 1;
  }

  /** The number of the last purge of all machines up to a generation; null: it was before all that are known. */
  remoteAt(generation: number): number | null {
    const at = firstAbove(this.#generations, generation);
    return at === 0 ? null : this.#remotes[at - 1]!;
  }

  #markOf({ kind, text }: PurgeRecord): Mark {
    if (kind === PurgeKind.All) return this.#all;
    if (kind === PurgeKind.Key) return markIn(this.#keys, text);
    return markIn(kind === PurgeKind.Tag ? this.#tags : this.#prefixesAsLongAs(text), text);
  }

  #prefixesAsLongAs(text: string): Marks {
    const marks: Marks = this.#prefixes.get(text.length) ?? new Map();
    this.#prefixes.set(text.length, marks);
    return marks;
  }
}

function markIn(marks: Marks, text: string): Mark {
  const mark = marks.get(text) ?? new Mark();
  marks.set(text, mark);
  return mark;
}

function worse(verdict: PurgeVerdictCode, mark: Mark | undefined, generation: number): PurgeVerdictCode {
  const other = mark?.verdict(generation) ?? PurgeVerdict.Kept;
  return other > verdict ? other : verdict;
}

/** The place of the first of ascending numbers that is greater than `number`. */
function firstAbove(numbers: readonly number[], number: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! > number) high = middle;
    else low = middle + 1;
  }
  return low;
}
