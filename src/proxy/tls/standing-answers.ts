import { ProxyError } from "../../base/errors.ts";
import type { ProxyPhases } from "../phases.ts";
import type { ResponseInit, Session } from "../session.ts";

/** Answers every request in the same way. */
function answerAll(answer: (session: Session) => ResponseInit): ProxyPhases<undefined> {
  return {
    requestFilter: (session) => session.respond(answer(session)),
    upstreamPeer() {
      throw new ProxyError("NOT_PROXIED");
    },
  };
}

function refuse(status: number, text: string): ResponseInit {
  return { status, headers: { "Content-Type": "text/plain" }, body: `${text}\n` };
}

const NEEDS_TLS = refuse(400, "HTTP without TLS was sent to a port for HTTPS");
const NEEDS_CONNECTION = refuse(421, "This name needs a connection of its own");

function refusePlain(session: Session): ResponseInit {
  session.closeAfterResponse();
  return NEEDS_TLS;
}

/** The same target over TLS. It is the request's alone: whoever names no host, or nothing that has a target, gets a 400. */
function redirect(session: Session): ResponseInit {
  const { host, target } = session.request;
  if (host === "" || !target.startsWith("/")) return refusePlain(session);
  session.closeAfterResponse();
  const headers = { "Content-Type": "text/plain", Location: `https://${host}${target}` };
  // 308 keeps method and body (RFC 9110 §15.4.9).
  return { status: 308, headers, body: "This port is for HTTPS\n" };
}

/** For clients that speak HTTP without TLS where TLS is expected. Nothing more is heard from them. */
export const PLAIN_HTTP: Readonly<Record<"redirect" | "refuse", ProxyPhases<undefined>>> = {
  redirect: answerAll(redirect),
  refuse: answerAll(refusePlain),
};

/**
 * For requests over a connection that isn't their name's (RFC 9110 §15.5.20). Browsers share connections between the names
 * of one certificate; what is passed on unopened by its name must then be asked for over a connection of its own.
 */
export const MISDIRECTED: ProxyPhases<undefined> = answerAll(() => NEEDS_CONNECTION);
