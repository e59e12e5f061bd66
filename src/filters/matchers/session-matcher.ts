import type { RequestHead } from "../../http/heads.ts";
import type { Session } from "../../proxy/session.ts";
import { ClientAddresses } from "../client-addresses.ts";
import { plainPathLength, readingsOf } from "../request-path.ts";
import type { Match } from "../settings.ts";
import { compileMatch } from "./combine.ts";
import { type Predicate, Subject } from "./subject.ts";

/** Whether a request is one that something is meant for. */
export type SessionPredicate = (session: Session<unknown>) => boolean;

/**
 * The matchers of routes, for what else goes by requests: faults, limits, splits. A path that servers may read in several ways matches when one of the readings does:
 * nobody's access depends on it, so that it is no reason to refuse a request.
 */
export class SessionMatcher {
  readonly #subject: Subject;

  /** @param trustedProxies those who may say where a request comes from */
  constructor(trustedProxies: readonly string[]) {
    this.#subject = new Subject(new ClientAddresses(trustedProxies));
  }

  compile(match: Match | null): SessionPredicate {
    if (match === null) return () => true;
    const predicate = compileMatch(match);
    return (session) => this.#matches(session, predicate);
  }

  #matches(session: Session<unknown>, predicate: Predicate): boolean {
    const subject = this.#subject;
    subject.begin(session);
    return readingsOfRequest(session.request).some((path) => {
      subject.path = path;
      return predicate(subject);
    });
  }
}

function readingsOfRequest({ target, path }: RequestHead): readonly string[] {
  const length = plainPathLength(target);
  return length === -1 ? (readingsOf(path) ?? [path]) : [target.slice(0, length)];
}
