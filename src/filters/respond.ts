import type { ResponseInit, Session } from "../proxy/session.ts";
import { changeFields } from "./field-changes.ts";
import type { FieldChanges, FixedResponse } from "./settings.ts";

const PLAIN_TEXT = ["Content-Type", "text/plain; charset=utf-8"] as const;

/** Answers with a fixed response, made once. */
export function compileRespond(
  action: FixedResponse,
  changes: FieldChanges | null,
): (session: Session<unknown>) => void {
  const { status, body } = action;
  const isTyped = body === null || action.headers.some(([name]) => name.toLowerCase() === "content-type");
  const headers = changeFields(isTyped ? action.headers : [PLAIN_TEXT, ...action.headers], changes);
  const response: ResponseInit = { status, headers, body: body === null ? null : Buffer.from(body) };
  return (session) => void session.respond(response);
}
