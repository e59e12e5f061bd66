import { randomInt } from "node:crypto";
import type { AlarmClock } from "../../../base/alarms.ts";
import { describeThrown } from "../../../base/errors.ts";
import { formatHostPort } from "../../../net/address.ts";
import { withTimeLimit } from "../time-limit.ts";
import { askByConnection, askByDatagram, type NameServer } from "./exchange.ts";
import {
  type DnsAnswer,
  type DnsQuestion,
  type DnsRecord,
  encodeQuestion,
  isDnsName,
  NO_ERROR,
  NO_SUCH_NAME,
  nameCode,
  readAnswer,
  toDnsName,
} from "./message.ts";

/** How long one server has for its answer, milliseconds, and how often all of them are asked. */
const PATIENCE = 2_000;
const ROUNDS = 2;

/** Links of a chain of CNAMEs that are followed within an answer, and questions that are asked to find its end. */
const MOST_LINKS = 16;
const MOST_QUESTIONS = 8;

/** Of the server that can't read the question, and of the one that doesn't know how (RFC 6891 §7). */
const FORMAT_ERROR = 1;
const NOT_IMPLEMENTED = 4;

/** What was found out about a name. */
export interface Resolution {
  /** False when there is no such name: not only no record of this type. */
  readonly exists: boolean;
  /** Those of the type asked for, whatever name stands at the end of the chain. */
  readonly records: readonly DnsRecord[];
  /** What came along without having been asked for. */
  readonly additionals: readonly DnsRecord[];
  /** The shortest time that one of the records is good for, the chain included, milliseconds. */
  readonly ttl: number;
}

/** Asks name servers that look names up for others, one after the other, until one answers. */
export class DnsClient {
  readonly #servers: () => readonly NameServer[];
  readonly #clock: AlarmClock;

  /** @param servers asked for anew each time: the system's may change */
  constructor(servers: () => readonly NameServer[], clock: AlarmClock) {
    this.#servers = servers;
    this.#clock = clock;
  }

  /** @throws Error that says for each server why it has no answer */
  async resolve({ name, type }: DnsQuestion, signal: AbortSignal): Promise<Resolution> {
    let current = toDnsName(name);
    let ttl = Number.POSITIVE_INFINITY;
    for (let asked = 0; asked < MOST_QUESTIONS; asked++) {
      const { code, answers, additionals } = await this.#ask({ name: current, type }, signal);
      const chain = followChain(answers, current);
      const records = answers.filter((record) => record.type === type && record.name === chain.end);
      ttl = Math.min(ttl, chain.ttl, ...records.map((record) => record.ttl));
      const isEnd = records.length > 0 || code !== NO_ERROR || chain.end === current;
      if (isEnd) return { exists: code === NO_ERROR, records, additionals, ttl };
      current = chain.end;
    }
    throw new Error(`the chain of names behind ${name} doesn't end`);
  }

  async #ask(question: DnsQuestion, signal: AbortSignal): Promise<DnsAnswer> {
    if (!isDnsName(question.name)) throw new RangeError(`${JSON.stringify(question.name)} can be no name`);
    const failures = new Map<string, string>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of this.#servers()) {
        const answer = await this.#askServer(server, question, signal).catch(describeThrown);
        signal.throwIfAborted();
        if (typeof answer === "object" && isFinal(answer)) return answer;
        const why = typeof answer === "string" ? answer : nameCode(answer.code);
        failures.set(formatHostPort(server.host, server.port), why);
      }
    }
    const all = [...failures].map(([server, why]) => `name server ${server}: ${why}`).join("; ");
    throw new Error(all === "" ? "there is no name server" : all);
  }

  #askServer(server: NameServer, question: DnsQuestion, outer: AbortSignal): Promise<DnsAnswer> {
    return withTimeLimit(this.#clock, PATIENCE, outer, async (signal) => {
      const answer = await askOnce(server, question, true, signal);
      const isRefused = answer.code === FORMAT_ERROR || answer.code === NOT_IMPLEMENTED;
      return isRefused ? askOnce(server, question, false, signal) : answer;
    });
  }
}

/** As a rule the whole chain is in one answer; where it isn't, its end is asked for. */
function followChain(answers: readonly DnsRecord[], start: string): { end: string; ttl: number } {
  let end = start;
  let ttl = Number.POSITIVE_INFINITY;
  for (let links = 0; links < MOST_LINKS; links++) {
    const next = answers.find((record) => record.type === "CNAME" && record.name === end);
    if (next?.type !== "CNAME") break;
    end = next.data;
    ttl = Math.min(ttl, next.ttl);
  }
  return { end, ttl };
}

function isFinal({ code }: DnsAnswer): boolean {
  return code === NO_ERROR || code === NO_SUCH_NAME;
}

async function askOnce(
  server: NameServer,
  question: DnsQuestion,
  extended: boolean,
  signal: AbortSignal,
): Promise<DnsAnswer> {
  // Nobody must be able to guess it, so it doesn't come from the numbers that a seed repeats.
  const id = randomInt(65_536);
  const query = encodeQuestion(id, question, extended);
  const read = (bytes: Uint8Array): DnsAnswer | null => readAnswer(bytes, id, question);
  const answer = await askByDatagram(server, query, read, signal);
  if (!answer.isTruncated) return answer;
  const whole = await askByConnection(server, query, read, signal);
  if (whole.isTruncated) throw new Error("its answer is too long for a connection, too");
  return whole;
}
