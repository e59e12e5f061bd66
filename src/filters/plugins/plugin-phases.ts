import { isThenable } from "../../base/errors.ts";
import { isBodiless, reasonPhrase } from "../../http/status.ts";
import { formatHostPort } from "../../net/address.ts";
import type { HeadVerdict } from "../../plugins/plugin.ts";
import type { PluginRow } from "../../plugins/plugin-row.ts";
import type { MaybePromise, ProxyPhases } from "../../proxy/phases.ts";
import { bindPhases } from "../../proxy/plan.ts";
import type { Session } from "../../proxy/session.ts";
import { SessionPlugins, toPluginFailure } from "../../proxy/session-plugins.ts";
import { parseReplacement, takeReplacement, toHeadText } from "./head-text.ts";

/** A response of this status has a body like any other as far as its end goes, but nothing may stand in it (RFC 9110 §15.3.6). */
const RESET_CONTENT = 205;

type RequestFilter = (session: Session<unknown>) => MaybePromise<unknown>;

/**
 * The phases of a proxy whose listener has plugins, or some of its routes. Heads go through the listener's before a route is
 * chosen; the connections for bodies are opened when it is settled that the request goes to a server.
 *
 *     head ─▶ [listener's] ─▶ earlyRequestFilter ─▶ route ─▶ limits ─▶ faults ─▶ [route's] ─▶ …
 *
 * @param row the listener's own; null when only routes have some
 */
export function withPlugins<C>(phases: ProxyPhases<C>, row: PluginRow | null): ProxyPhases<C> {
  const plugged = bindPhases(phases);
  if (row !== null) {
    plugged.earlyRequestFilter = (session) => {
      const next = (isAnswered: unknown): MaybePromise<void> =>
        isAnswered === true ? undefined : phases.earlyRequestFilter?.(session);
      session.pluginRow = row;
      const isAnswered = filterRequest(session as Session<unknown>, row);
      return isThenable(isAnswered) ? isAnswered.then(next) : next(isAnswered);
    };
  }
  plugged.proxyUpstreamFilter = (session) => {
    const next = (goesOn: boolean | undefined): boolean | undefined => {
      if (goesOn !== false) openPlugins(session as Session<unknown>);
      return goesOn;
    };
    const goesOn = phases.proxyUpstreamFilter?.(session);
    return isThenable(goesOn) ? goesOn.then(next) : next(goesOn);
  };
  return plugged;
}

/**
 * What a route's plugins do before `proceed`: to be called once it is chosen.
 * @param before those of its listener
 */
export function behindPlugins(
  row: PluginRow | null,
  proceed: RequestFilter | null,
  before: PluginRow | null,
): RequestFilter | null {
  if (row === null) return proceed;
  const whole = before === null ? row : before.followedBy(row);
  return (session) => {
    session.pluginRow = whole;
    const next = (isAnswered: unknown): MaybePromise<unknown> =>
      isAnswered === true ? true : proceed?.(session);
    const isAnswered = filterRequest(session, row);
    return isThenable(isAnswered) ? isAnswered.then(next) : next(isAnswered);
  };
}

/** @returns true when a plugin had the request answered. @throws ProxyError when one misbehaves, or rejects with it */
function filterRequest(session: Session<unknown>, row: PluginRow): MaybePromise<boolean> {
  const { request } = session;
  try {
    if (!row.filtersRequests) return false;
    const verdict = row.filterRequest(toHeadText(request), (text) => void parseReplacement(text, request));
    if (!isThenable(verdict)) return obey(verdict, session);
    return verdict.then(
      (later) => obey(later, session),
      (error: Error) => {
        throw toPluginFailure(error);
      },
    );
  } catch (error) {
    throw toPluginFailure(error as Error);
  }
}

function obey(verdict: HeadVerdict, session: Session<unknown>): boolean {
  if (verdict === null) return false;
  if (typeof verdict === "string") {
    takeReplacement(session.request, parseReplacement(verdict, session.request));
    return false;
  }
  if (isBodiless(verdict) || verdict === RESET_CONTENT) return session.respond({ status: verdict });
  const headers = { "Content-Type": "text/plain; charset=utf-8" };
  return session.respond({
    status: verdict,
    headers,
    body: `HTTP ${verdict} ${reasonPhrase(verdict)}\n`,
  });
}

/** The bytes behind a CONNECT are nobody's message, and of a session that is over nobody would close what is opened for it. */
function openPlugins(session: Session<unknown>): void {
  const { request, client, pluginRow: row } = session;
  if (row === null || session.plugins !== null || request.method === "CONNECT") return;
  if (session.responded || session.error !== null) return;
  const address = client.address === "" ? "" : formatHostPort(client.address, client.port);
  session.plugins = SessionPlugins.open(row, request, address);
}
