import type { MaybePromise } from "../../proxy/phases.ts";
import type { ResponseFaults } from "../../proxy/response-faults.ts";
import type { Session } from "../../proxy/session.ts";
import { compileRespond } from "../respond.ts";
import type { FixedResponse } from "../settings.ts";
import type { HttpFault } from "./http-fault.ts";

type Answer = (session: Session<unknown>) => MaybePromise<unknown>;

/** What the faults of a route do to one request together. */
interface Strike {
  readonly delay: number;
  /** What takes the place of what the route would do; null when nothing does. */
  readonly answer: Answer | null;
  readonly response: ResponseFaults | null;
}

/**
 * The faults of a route, before what the route does itself: `proceed`, null when it sends the request on. Delays add up; of
 * several that answer or malform the first one counts, of several limits the lowest.
 */
export function compileFaults(
  faults: readonly HttpFault[],
  proceed: Answer | null,
): (session: Session<unknown>) => MaybePromise<unknown> {
  const answers = new Map(faults.map((fault) => [fault, answerOf(fault)]));
  return (session) => {
    const struck = faults.filter((fault) => fault.strikes(session));
    if (struck.length === 0) return proceed?.(session);
    const strike = combine(struck, answers);
    if (strike.response !== null) session.injectFaults(strike.response);
    const answer = strike.answer ?? proceed;
    if (strike.delay === 0) return answer?.(session);
    return session.wait(strike.delay).then(() => answer?.(session));
  };
}

function answerOf({ settings: { abort, reset } }: HttpFault): Answer | null {
  if (reset) return (session) => session.reset();
  return abort === null ? null : compileAbort(abort);
}

function compileAbort(response: FixedResponse): Answer {
  return compileRespond(response, null);
}

function combine(struck: readonly HttpFault[], answers: ReadonlyMap<HttpFault, Answer | null>): Strike {
  const settings = struck.map((fault) => fault.settings);
  const malformed = settings.find((one) => one.malformed !== null)?.malformed;
  const cutAfter = lowest(settings.map(({ truncate }) => truncate));
  const rate = lowest(settings.map(({ throttle }) => throttle));
  const response: ResponseFaults = {
    ...(malformed == null ? {} : { malformed }),
    ...(cutAfter === null ? {} : { cutAfter }),
    ...(rate === null ? {} : { rate }),
  };
  return {
    delay: struck.reduce((sum, fault) => sum + fault.drawDelay(), 0),
    answer: struck.map((fault) => answers.get(fault)).find((answer) => answer != null) ?? null,
    response: Object.keys(response).length === 0 ? null : response,
  };
}

function lowest(values: readonly (number | null)[]): number | null {
  const given = values.filter((value) => value !== null);
  return given.length === 0 ? null : Math.min(...given);
}
