import { setTimeout as sleep } from "node:timers/promises";
import type { Child } from "../processes.ts";
import type { HttpWorkload } from "../workloads.ts";
import { type Answer, exchange } from "./exchange.ts";
import { exchangeHttp2 } from "./exchange-http2.ts";
import { isHttp2 } from "./load.ts";

/** The request that a server has to answer, and how. */
export type Trial = Pick<HttpWorkload, "request" | "answerBytes" | "protocol">;

/**
 * Resolves once the server gives the expected answer to the request that it is going to be
 * measured with, so that nobody is measured while answering something else.
 */
export async function waitUntilReady(
  child: Child,
  port: number,
  { request, answerBytes, protocol }: Trial,
  seconds = 10,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  const ask = isHttp2(protocol) ? exchangeHttp2 : exchange;
  let problem = "";
  while (!child.ended() && performance.now() < deadline) {
    problem = await ask(port, protocol, request).then(
      (answer) => complaintAbout(answer, answerBytes),
      messageOf,
    );
    if (problem === "") return;
    await sleep(50);
  }
  throw new Error(
    child.ended() ? `it ended: ${child.complaint()}` : `not ready after ${seconds} s: ${problem}`,
  );
}

function complaintAbout(answer: Answer, answerBytes: number): string {
  if (answer.status === 200 && answer.bodyBytes === answerBytes) return "";
  return `status ${answer.status} with ${answer.bodyBytes} bytes instead of 200 with ${answerBytes}`;
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // Those of OpenSSL have several lines.
  return message.split("\n", 1)[0] ?? "";
}
