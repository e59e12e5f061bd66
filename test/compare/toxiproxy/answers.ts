import { isDeepStrictEqual } from "node:util";
import { type Answer, exchange, type Request } from "./exchange.ts";
import { type KnownDifference, knownDifferences } from "./known-differences.ts";
import { allRequests } from "./requests.ts";
import { type ComparedServer, startOriginal, startOurs } from "./servers.ts";

/** What a comparison came to. */
export interface Comparison {
  readonly text: string;
  readonly unexplained: number;
}

interface Difference {
  readonly request: Request;
  readonly original: Answer;
  readonly ours: Answer;
  readonly known: KnownDifference | undefined;
}

/** Asks both servers the same. */
export async function compareAnswers(path: string): Promise<Comparison> {
  await using original = await startOriginal(path);
  await using ours = await startOurs();
  const requests = allRequests();
  const theirs = await answersOf(original, requests);
  const own = await answersOf(ours, requests);
  const differences = requests
    .map((request, i) => toDifference(request, theirs[i]!, own[i]!))
    .filter(({ original: one, ours: other }) => !isDeepStrictEqual(one, other));
  return report(requests.length, differences);
}

async function answersOf({ ports }: ComparedServer, requests: readonly Request[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const request of requests) answers.push(await exchange(request, ports));
  return answers;
}

function toDifference(request: Request, original: Answer, ours: Answer): Difference {
  return {
    request,
    original,
    ours,
    known: knownDifferences.find((known) => known.applies(request, original, ours)),
  };
}

function report(count: number, differences: readonly Difference[]): Comparison {
  const unexplained = differences.filter(({ known }) => known === undefined);
  const explained = knownDifferences.map((known) => {
    const times = differences.filter((difference) => difference.known === known).length;
    return `  ${String(times).padStart(3)}  ${known.what}: ${known.why}`;
  });
  const lines = [
    `${count} requests: ${count - differences.length} answers the same in status, headers and body`,
    `${differences.length - unexplained.length} differ for a known reason`,
    ...explained,
    `${unexplained.length} differ for none`,
    ...unexplained.map(show),
  ];
  return { text: `${lines.join("\n")}\n`, unexplained: unexplained.length };
}

function show({ request: { method, target, body, fields }, original, ours }: Difference): string {
  const head = [method, target, ...fields, body.slice(0, 200)].join(" ");
  return [`\n  ${head}`, `  original: ${showAnswer(original)}`, `  ours:     ${showAnswer(ours)}`].join("\n");
}

function showAnswer({ status, headers, body }: Answer): string {
  return `${status} ${headers.join(" | ")}\n            ${JSON.stringify(body.slice(0, 600))}`;
}
