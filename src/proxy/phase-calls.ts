import { isThenable, notPromised, type ProxyError, toProxyError } from "../base/errors.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import type { MaybePromise } from "./phases.ts";
import type { Session } from "./session.ts";
import { WatchedAttempt } from "./watched-attempt.ts";

/**
 * Runs a session's phases one after the other: at once where a phase answers at once, behind its promise where it
 * doesn't. A phase that is absent costs one comparison.
 */
export abstract class PhaseCalls<C> extends WatchedAttempt {
  abstract readonly session: Session<C>;
  /** Moves on when an answer, a retry or a failure makes what is still awaited meaningless. */
  protected generation = 0;

  /** @internal ends the session badly */
  abstract fail(error: ProxyError): void;

  /** Something has to be waited for: what is borrowed is kept, and nothing more is read. */
  protected abstract suspend(): void;

  /** Calls a phase, then `next` with its result, unless something happened meanwhile that ends this line of work. */
  protected call<A, R>(
    phase: ((session: Session<C>, argument: A) => MaybePromise<R>) | null,
    next: (this: this, result: R) => void,
    argument: A,
  ): void {
    if (phase === null) {
      next.call(this, undefined as R);
      return;
    }
    const { generation } = this;
    let result: MaybePromise<R>;
    let isPromised: boolean;
    try {
      result = phase(this.session, argument);
      isPromised = isThenable(result);
    } catch (thrown) {
      this.fail(toProxyError(thrown));
      return;
    }
    if (isPromised) this.#await(result as PromiseLike<R>, next, generation);
    else if (generation === this.generation) next.call(this, result as R);
  }

  #await<R>(promise: PromiseLike<R>, next: (this: this, result: R) => void, generation: number): void {
    if (generation === this.generation) this.suspend();
    // Whatever has a `then` may call back twice, or at once; a promise of our own doesn't.
    Promise.resolve(promise).then(
      (result) => {
        if (generation === this.generation) next.call(this, result);
      },
      // Of a phase that nobody waits for any more, the failure is nobody's either.
      (thrown: unknown) => {
        if (generation === this.generation) this.fail(toProxyError(thrown));
      },
    );
  }

  /** Runs a phase that looks at an error; false when the session took another turn by that. */
  protected tell(
    name: "failToConnect" | "errorWhileProxy",
    phase: ((session: Session<C>, peer: HttpPeer, error: ProxyError) => void) | null,
    error: ProxyError,
  ): boolean {
    if (phase === null) return true;
    const { generation } = this;
    try {
      notPromised(phase(this.session, this.session.peer!, error), name);
    } catch (thrown) {
      this.fail(toProxyError(thrown));
    }
    return generation === this.generation;
  }
}
