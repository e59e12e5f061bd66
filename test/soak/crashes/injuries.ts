import { until } from "../../kit/deadline.ts";
import { connectRaw, type RawClient } from "../../kit/raw-client.ts";
import type { Failure, Load } from "./load.ts";

/** Something bad that a request has happen. */
export interface Injury {
  readonly name: string;
  readonly port: "web" | "plugged";
  readonly request: string;
  /** What is there again afterwards. */
  readonly replaced: "nothing" | "thread" | "plugin";
}

const LONG = 30_000;

export const INJURIES: readonly Injury[] = [
  { name: "a filter throws", port: "web", request: getOf("/throw"), replaced: "nothing" },
  { name: "a filter throws late", port: "web", request: getOf("/throw-late"), replaced: "nothing" },
  { name: "a worker crashes", port: "web", request: getOf("/crash"), replaced: "thread" },
  { name: "a worker is out of memory", port: "web", request: getOf("/memory"), replaced: "thread" },
  {
    name: "an isolated plugin crashes",
    port: "plugged",
    request: "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\noh!",
    replaced: "plugin",
  },
];

/** What came of it. */
export interface Outcome {
  readonly name: string;
  /** Whose requests failed beside the one that did it. */
  readonly hurt: readonly Failure[];
  /** Milliseconds from the end of what was hurt until it is there again; null where nothing is replaced. */
  readonly replacedIn: number | null;
  /** What isn't as it should be. */
  readonly problems: readonly string[];
}

/** Does it, and waits until all is as before. */
export async function injure(injury: Injury, port: number, load: Load): Promise<Outcome> {
  const { name, replaced } = injury;
  await using client = await connectRaw(port);
  const thread = await threadOf(client);
  const [known, seen] = [load.threads.size, load.failures.length];
  const problems: string[] = [];
  void client.write(injury.request);
  const status = await statusOf(client);
  const end = performance.now();
  let replacedIn: number | null = null;
  if (replaced === "nothing") {
    if (status !== "500") problems.push(`its own request got ${status} instead of 500`);
  } else {
    const isBack = (): Promise<boolean> | boolean => {
      return replaced === "plugin" ? passesIn(thread, port) : load.threads.size > known;
    };
    await until(`${name}: its place is taken`, isBack, { timeout: LONG });
    replacedIn = performance.now() - end;
    if (replacedIn > 1_000) problems.push(`its place was taken after ${Math.round(replacedIn)} ms only`);
  }
  // Whoever waited until then has its answer by now.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const hurt = load.failures.slice(seen);
  problems.push(...unrelated(hurt, injury, thread, load.newClients));
  return { name, hurt, replacedIn, problems };
}

/** Whether a new connection belongs to this thread, and a request on it is answered. */
async function passesIn(thread: string, port: number): Promise<boolean> {
  await using client = await connectRaw(port);
  return (await threadOf(client)) === thread;
}

/** Failures of those who had nothing to do with it. */
function unrelated(
  hurt: readonly Failure[],
  { replaced }: Injury,
  thread: string,
  newClients: number,
): string[] {
  const mayBe = ({ lane, thread: of }: Failure): boolean => {
    if (replaced === "nothing") return false;
    if (replaced === "plugin") return lane === "plugged" && of === thread;
    return of === thread || of === null;
  };
  const others = hurt.filter((failure) => !mayBe(failure)).map(failureText);
  const fresh = hurt.filter(({ thread: of }) => of === null).length;
  return fresh > newClients ? [...others, `${fresh} new connections failed`] : others;
}

function failureText({ lane, thread, message }: Failure): string {
  return `a request that had nothing to do with it failed (${lane}, thread ${thread ?? "?"}): ${message}`;
}

function getOf(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}

/** The one that answers; "nobody" when the answer is another one. */
async function threadOf(client: RawClient): Promise<string> {
  const { headers } = await client.exchange(getOf("/"));
  return headers.find(([name]) => name.toLowerCase() === "x-thread")?.[1] ?? "nobody";
}

/** Of the answer; "nothing" when the connection ends without one. */
async function statusOf(client: RawClient): Promise<string> {
  try {
    return String((await client.readResponse()).status);
  } catch {
    return "nothing";
  }
}
