import { setTimeout as sleep } from "node:timers/promises";
import type { Child } from "../processes.ts";
import { type Answer, exchange } from "./exchange.ts";

/**
 * Resolves once the server gives the expected answer to the request that it is going to be
 * measured with, so that nobody is measured while answering something else.
 */
export async function waitUntilReady(
  child: Child,
  port: number,
  request: Buffer,
  answerBytes: number,
  seconds = 10,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  let problem = "";
  while (!child.ended() && performance.now() < deadline) {
    problem = await exchange(port, request).then((answer) => complaintAbout(answer, answerBytes), messageOf);
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
  return error instanceof Error ? error.message : String(error);
}
