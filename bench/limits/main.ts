/** Measures what limits cost: `npm run bench:limits`. */
import { monotonicNow } from "../../src/base/monotonic.ts";
import { ClientAddresses } from "../../src/filters/client-addresses.ts";
import { addLimitFields, compileLimits } from "../../src/filters/limits/route-limits.ts";
import { SessionMatcher } from "../../src/filters/matchers/session-matcher.ts";
import type { LimitSettings } from "../../src/filters/settings.ts";
import { ResponseHead } from "../../src/http/heads.ts";
import { allocateLimitMemory, createLimiter } from "../../src/limits/create-limiter.ts";
import type { Session } from "../../src/proxy/session.ts";
import { createSession } from "../../test/kit/session.ts";
import { textTable } from "../report/table.ts";

const REQUESTS = 500_000;
const ROUNDS = 7;
const CLIENTS = 2000;
/** What a busy machine answers a second. */
const BUSY = 100_000;

const algorithms = ["fixed_window", "sliding_window", "token_bucket", "concurrency"] as const;
const addresses = Array.from({ length: CLIENTS }, (_, i) => `203.0.${i >> 8}.${i & 255}`);
const sessions: readonly Session<unknown>[] = addresses.map(
  (address) => createSession<unknown>({ client: { address } }).session,
);

function settingsOf(algorithm: LimitSettings["algorithm"], headers: boolean): LimitSettings {
  const amounts = { limit: 1_000_000, window: 1000, burst: 1_000_000, mostKeys: 65_536 };
  const key = [{ kind: "client", v6Prefix: 64 }] as const;
  const rest = { match: null, allow: [], shadow: false, status: 429, redis: null };
  return { name: "api", algorithm, ...amounts, key, headers, ...rest };
}

/** Nanoseconds of processor time for each call: the middle of several rounds, the first of which only warms up. */
function cost(call: (i: number) => void): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < REQUESTS; i++) call(i % CLIENTS);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / REQUESTS;
  });
  return rounds.slice(1).sort((a, b) => a - b)[(ROUNDS - 1) >> 1]!;
}

function limiterCost(settings: LimitSettings): number {
  const limiter = createLimiter(settings, allocateLimitMemory([settings], 2)["api"]!, 0);
  return cost((i) => {
    const key = addresses[i]!;
    if (limiter.take(key, monotonicNow()).isAllowed) limiter.release?.(key);
  });
}

function filterCost(settings: LimitSettings): number {
  const memories = allocateLimitMemory([settings], 2);
  const means = { clients: new ClientAddresses([]), matcher: new SessionMatcher([]) };
  const limits = compileLimits([settings], { memories, thread: 0, ...means })!;
  const response = { status: 200 };
  const makingHeads = cost(() => void ResponseHead.from(response).headers);
  const all = cost((i) => {
    const session = sessions[i]!;
    const { headers } = ResponseHead.from(response);
    limits.before(session);
    if (limits.addsFields) addLimitFields(session, headers);
    session.attendant?.onSessionEnd();
  });
  return all - makingHeads;
}

function figure(nanoseconds: number): string {
  const share = (nanoseconds * BUSY) / 1e7;
  return `${nanoseconds.toFixed(0)} ns, ${share.toFixed(1)} %`;
}

const rows = algorithms.map((algorithm) => [
  algorithm,
  figure(limiterCost(settingsOf(algorithm, false))),
  figure(filterCost(settingsOf(algorithm, false))),
  figure(filterCost(settingsOf(algorithm, true))),
]);
process.stdout.write(`Processor time of a request at a limit, and its share of one core at ${BUSY} requests a second

${textTable([["algorithm", "limiter alone", "on a route", "with RateLimit fields"], ...rows])}
`);
