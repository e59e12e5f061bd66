import { describeThrown, isThenable, notPromised, ProxyError } from "../../base/errors.ts";
import type { PlacedFilter } from "../../proxy/body-pump.ts";
import type { FilteredBody, MaybePromise } from "../../proxy/phases.ts";
import type { Session } from "../../proxy/session.ts";
import type { FilterSession } from "./filter-session.ts";

/** What a filter does in one phase. */
export interface Hook {
  /** Which of the chain's filters it belongs to. */
  readonly at: number;
  readonly call: (session: FilterSession, ...more: readonly unknown[]) => unknown;
  /** Whose it is, which phase, and where: for errors. */
  readonly place: string;
}

/** What a session has where its filters are called: how each of them sees it. */
interface Seen {
  readonly views: readonly FilterSession[];
}

/** Whether those that are still to come aren't called any more. */
export type IsOver = (session: Session<unknown>) => boolean;

/** How what several filters say becomes one word. */
export interface Gathering<T> {
  /** Whether each gets what those before it said, in place of the argument. */
  readonly passesOn: boolean;
  /** Whether those who are still to come needn't be asked. */
  isDecided(value: T): boolean;
  /** @param at which of the chain's filters says it */
  readonly join: (value: T, said: T, at: number) => T;
}

/** What several filters do in one phase, one after the other: at once where they answer at once. */
export class PhaseHooks {
  readonly #hooks: readonly Hook[];
  readonly #isOver: IsOver;
  readonly #heedsFalse: boolean;

  /** @param heedsFalse true: a filter that returns false ends it */
  constructor(hooks: readonly Hook[], isOver: IsOver, heedsFalse: boolean) {
    this.#hooks = hooks;
    this.#isOver = isOver;
    this.#heedsFalse = heedsFalse;
  }

  /** @returns false when a filter ended it by that */
  run(session: Session<unknown>, argument?: unknown): MaybePromise<boolean> {
    return this.#runFrom(0, session, argument);
  }

  #runFrom(from: number, session: Session<unknown>, argument: unknown): MaybePromise<boolean> {
    for (let i = from; i < this.#hooks.length; i++) {
      if (this.#isOver(session)) break;
      const hook = this.#hooks[i]!;
      const result = callHook(hook, session, argument, undefined);
      if (isThenable(result)) return this.#goOn(i, result, session, argument);
      if (result === false && this.#heedsFalse) return false;
    }
    return true;
  }

  async #goOn(
    at: number,
    promise: PromiseLike<unknown>,
    session: Session<unknown>,
    argument: unknown,
  ): Promise<boolean> {
    const result = await awaitHook(this.#hooks[at]!, promise);
    if (result === false && this.#heedsFalse) return false;
    return await this.#runFrom(at + 1, session, argument);
  }

  /**
   * For phases in which each has its say.
   * @param said by who was asked before them
   */
  gather<T>(session: Session<unknown>, argument: unknown, gathering: Gathering<T>, said: T): MaybePromise<T> {
    return this.#gatherFrom(0, session, argument, gathering, said);
  }

  #gatherFrom<T>(
    from: number,
    session: Session<unknown>,
    argument: unknown,
    gathering: Gathering<T>,
    before: T,
  ): MaybePromise<T> {
    let value = before;
    for (let i = from; i < this.#hooks.length; i++) {
      if (this.#isOver(session) || gathering.isDecided(value)) break;
      const hook = this.#hooks[i]!;
      const result = callHook(
        hook,
        session,
        gathering.passesOn ? value : argument,
        undefined,
      ) as MaybePromise<T>;
      if (isThenable(result)) {
        const sofar = value;
        return awaitHook(hook, result).then((said) =>
          this.#gatherFrom(i + 1, session, argument, gathering, joined(gathering, sofar, said, hook)),
        );
      }
      value = joined(gathering, value, result, hook);
    }
    return value;
  }

  /** For phases that nobody could wait for, and in which one who says false decides. */
  refuses(session: Session<unknown>, argument: unknown): boolean {
    for (const hook of this.#hooks)
      if (!this.#isOver(session) && callNow(hook, session, argument, undefined) === false) return true;
    return false;
  }

  /** For phases that nobody could wait for. */
  tell(session: Session<unknown>, first: unknown, second?: unknown): void {
    for (const hook of this.#hooks) if (!this.#isOver(session)) callNow(hook, session, first, second);
  }

  /** The same. @returns what the first filter says that says something */
  ask(session: Session<unknown>, argument?: unknown): unknown {
    for (const hook of this.#hooks) {
      const said = callNow(hook, session, argument, undefined);
      if (said !== undefined && said !== false) return said;
    }
    return undefined;
  }

  /**
   * Whatever becomes of one, the others are called too, and nobody waits for another. Fails with what the first one did.
   * @param before what is called before them
   */
  runAll<A>(
    session: Session<unknown>,
    argument: A,
    before?: (session: Session<unknown>, argument: A) => unknown,
  ): MaybePromise<void> {
    const failures: unknown[] = [];
    const promises: PromiseLike<unknown>[] = [];
    try {
      const done = before?.(session, argument);
      if (isThenable(done)) promises.push(done);
    } catch (error) {
      failures.push(error);
    }
    for (const hook of this.#hooks) {
      try {
        const done = callHook(hook, session, argument, undefined);
        if (isThenable(done)) promises.push(awaitHook(hook, done));
      } catch (error) {
        failures.push(error);
      }
    }
    if (promises.length > 0) return allOf(promises, failures);
    if (failures.length > 0) throw failures[0];
  }
}

async function allOf(promises: readonly PromiseLike<unknown>[], failures: readonly unknown[]): Promise<void> {
  const settled = await Promise.allSettled(promises);
  const failed = settled.find(({ status }) => status === "rejected") as PromiseRejectedResult | undefined;
  if (failures.length > 0) throw failures[0];
  if (failed !== undefined) throw failed.reason;
}

/** What a filter does with a chunk of a body, as the engine calls it. */
export function toBodyFilter(
  hook: Hook,
): ((session: Session<unknown>, chunk: Buffer | null, endOfStream: boolean) => MaybePromise<FilteredBody>) &
  PlacedFilter {
  const filter = (
    session: Session<unknown>,
    chunk: Buffer | null,
    endOfStream: boolean,
  ): MaybePromise<FilteredBody> => {
    const result = callHook(hook, session, chunk, endOfStream) as MaybePromise<FilteredBody>;
    return isThenable(result) ? awaitHook(hook, result) : result;
  };
  return Object.assign(filter, { place: hook.place });
}

/** @throws ProxyError that says whose error it is */
function callHook(hook: Hook, session: Session<unknown>, first: unknown, second: unknown): unknown {
  const view = (session.bodyFilters as unknown as Seen).views[hook.at];
  // Its `newContext` has failed, or that of one before it.
  if (view === undefined) return undefined;
  try {
    return hook.call(view, first, second);
  } catch (thrown) {
    throw toFilterError(thrown, hook.place);
  }
}

function callNow(hook: Hook, session: Session<unknown>, first: unknown, second: unknown): unknown {
  const result = callHook(hook, session, first, second);
  try {
    return notPromised(result, "it");
  } catch (thrown) {
    throw toFilterError(thrown, hook.place);
  }
}

/** @throws ProxyError that says whose word it was that is none */
function joined<T>({ join }: Gathering<T>, value: T, said: T, { at, place }: Hook): T {
  try {
    return join(value, said, at);
  } catch (thrown) {
    throw toFilterError(thrown, place);
  }
}

async function awaitHook<T>({ place }: Hook, promise: PromiseLike<T>): Promise<T> {
  try {
    return await promise;
  } catch (thrown) {
    throw toFilterError(thrown, place);
  }
}

/** What was thrown on purpose stays what it is. */
export function toFilterError(thrown: unknown, place: string): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  return new ProxyError("FILTER_FAILED", `${place}: ${describeThrown(thrown)}`, { cause: thrown });
}
