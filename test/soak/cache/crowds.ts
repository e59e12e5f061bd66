// A thousand clients ask for one thing that nobody has asked for before, all at once: node test/soak/cache/crowds.ts --start varnish
//
// It may be kept; isn't to be kept; breaks off in the middle; or takes half a minute. The origin has to see one request where that is
// enough, nobody may wait for others in vain, and no part may pass for the whole. Options of the proxy as in main.ts.
// Exits with 1 when it was otherwise.

import { parseArgs } from "node:util";
import { type Ability, abilities, check, type Rules } from "./check.ts";
import { Clients, type Question } from "./question.ts";
import { pathOf, type Resource } from "./resource.ts";
import { openTarget, targetOptions } from "./target.ts";

/** A crowd, and how it has to come out. */
interface Case {
  readonly name: string;
  readonly resource: Partial<Resource>;
  /** Requests that may come to the origin: of a crowd of so many. */
  readonly most: (crowd: number) => number;
  /** How long the slowest may wait beyond what the origin takes, milliseconds. */
  readonly wait: number;
}

const { values } = parseArgs({
  options: {
    ...targetOptions,
    clients: { type: "string", default: "1000" },
    /** What the origin takes for what is slow, seconds. */
    slow: { type: "string", default: "30" },
  },
});

const cases: readonly Case[] = [
  { name: "may be kept", resource: {}, most: () => 1, wait: 10_000 },
  { name: "of unknown length", resource: { framing: "chunked" }, most: () => 1, wait: 10_000 },
  { name: "isn't to be kept", resource: { sharing: "nobody" }, most: (crowd) => crowd, wait: 10_000 },
  // Those that saw it break off get that; one more may ask for all who hadn't seen anything of it.
  { name: "breaks off", resource: { fault: "first cut" }, most: () => 2, wait: 10_000 },
  { name: "slow", resource: { delay: Number(values.slow) * 1000 }, most: () => 1, wait: 10_000 },
];

const usual: Resource = {
  ...{ id: 0, size: 100_000, sharing: "public", lifetime: 600, grace: 0, period: 3600, varies: false },
  ...{ validator: "etag", framing: "length", fault: "none", delay: 300 },
};

await using target = await openTarget(values);
const crowd = Number(values.clients);
const known = new Set<Ability>(abilities.filter((ability) => !target.without.includes(ability)));
const rules: Rules = { abilities: known, slack: 5000, barrier: 0 };

async function gather({ resource: traits, most, wait, name }: Case, id: number): Promise<boolean> {
  const resource: Resource = { ...usual, ...traits, id };
  const question: Question = {
    ...{ resource, path: pathOf(resource), method: "GET", kind: "", parts: [], noCache: false },
  };
  using clients = new Clients(target.proxy, resource.delay + wait * 3);
  const replies = await Promise.all(Array.from({ length: crowd }, () => clients.ask(question)));
  const complaints = replies.flatMap((reply) => check(question, reply, rules).map(({ text }) => text));
  const count = target.origin.takeCount(question.path);
  const whole = replies.filter(({ status, isWhole }) => status === 200 && isWhole).length;
  const slowest = Math.max(...replies.map(({ started, ended }) => ended - started));
  // It takes its time before the head, and once more between the pieces.
  const isInTime = slowest <= 2 * resource.delay + wait;
  const isFine = count <= most(crowd) && complaints.length === 0 && isInTime;
  process.stdout.write(
    `${isFine ? "ok " : "NOT OK "} ${name}: ${count} of ${crowd} requests came to the origin, ${whole} whole answers, ` +
      `the slowest after ${slowest} ms${complaints.length === 0 ? "" : `; ${complaints.length} wrong: ${complaints[0]}`}\n`,
  );
  return isFine;
}

for (const [i, one] of cases.entries()) {
  if (!(await gather(one, i + 1))) process.exitCode = 1;
}
