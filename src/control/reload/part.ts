import { describeThrown } from "../../base/errors.ts";
import type { ReloadNote } from "./report.ts";

/** A part of a process that is ready to go over to something else. One of both is called, once. */
export interface ReadyPart {
  /** What whoever reloads should know of it. */
  readonly notes?: readonly ReloadNote[];
  /** Can't fail any more. */
  commit(): void | Promise<void>;
  abandon(): void | Promise<void>;
}

export const NOTHING_TO_DO: ReadyPart = { commit: () => undefined, abandon: () => undefined };

/** Gets a part ready, changing nothing yet. Rejects with what is wrong. */
export type PreparePart = () => Promise<ReadyPart>;

/** Things that are got ready one after the other, to be committed together, or not at all. */
export class ReadyParts {
  readonly #parts: ReadyPart[] = [];
  readonly #notes: ReloadNote[] = [];

  async add<P extends ReadyPart>(part: P | Promise<P>): Promise<P> {
    const ready = await part;
    this.#parts.push(ready);
    return ready;
  }

  get notes(): ReloadNote[] {
    return [...this.#parts.flatMap(({ notes = [] }) => notes), ...this.#notes];
  }

  note(notes: readonly ReloadNote[]): void {
    this.#notes.push(...notes);
  }

  /** In the order in which they were got ready. Rejects once all have done it, with what couldn't be done. */
  async commit(): Promise<void> {
    await eachOf(this.#parts, (part) => part.commit());
  }

  /** The other way round. */
  async abandon(): Promise<void> {
    await eachOf(this.#parts.toReversed(), (part) => part.abandon());
  }
}

/** One that can't do it is no reason for others not to. */
async function eachOf(
  parts: readonly ReadyPart[],
  act: (part: ReadyPart) => void | Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  for (const part of parts) {
    try {
      await act(part);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new Error(errors.map(describeThrown).join("; "), { cause: errors[0] });
}
