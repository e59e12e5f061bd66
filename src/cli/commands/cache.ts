import type { Command } from "commander";
import { type ApiPurge, listCaches, lookUpInCache, purgeCache } from "../steering/caches-client.ts";
import { cachesText, storedText } from "../steering/caches-text.ts";
import {
  addClientOptions,
  type ClientContext,
  ClientFailure,
  clientAction,
  jsonLine,
  orFail,
  required,
} from "../steering/client-command.ts";
import { stdoutPaint } from "../steering/paint.ts";

const EXAMPLES = `
Examples:
  sluice cache list
  sluice cache lookup https://example.com/a
  sluice cache lookup https://example.com/a -H 'Accept-Language: de'
  sluice cache purge https://example.com/a             one URL, with all of its variants
  sluice cache purge --prefix https://example.com/docs/
  sluice cache purge --tag news --soft                 stale from now on, in place of removed
  sluice cache purge --all --cache pages

URLs are those that clients ask for. A purge is over when the command is: no thread answers with what was fetched
before it; other machines that share the cache hear of it within a moment. Where there are several caches, --cache
says which one is meant.`;

const LATER = "Redis doesn't take it now: other machines hear of it when it does.\n";

interface CacheFlags {
  readonly cache?: string;
}

interface PurgeFlags extends CacheFlags {
  readonly prefix?: string;
  readonly tag?: string;
  readonly all?: true;
  readonly soft?: true;
}

interface LookUpFlags extends CacheFlags {
  readonly header?: readonly string[];
}

/** `sluice cache`: what the caches of a running process have, and purges. */
export function addCache(program: Command): void {
  const cache = addClientOptions(program.command("cache"))
    .description("show the caches of a running process, what they have stored, and purge it")
    .addHelpText("after", EXAMPLES);
  cache
    .command("list")
    .alias("ls")
    .description("list all caches, and what became of requests")
    .action(clientAction(list));
  cache
    .command("lookup")
    .description("show what is stored for a URL")
    .argument("[url]", "as clients ask for it")
    .option(
      "-H, --header <line>",
      "a header field of the request, for what varies by it (repeatable)",
      collect,
    )
    .option("--cache <name>", "which cache (default: the only one)")
    .action(clientAction<LookUpFlags>(lookUp));
  cache
    .command("purge")
    .description("take from use what was fetched before, in all threads")
    .argument("[url]", "this URL, with all of its variants")
    .option("--prefix <url>", "all URLs that begin with it")
    .option("--tag <tag>", "all responses with this tag in Cache-Tag or Surrogate-Key")
    .option("--all", "everything")
    .option("--soft", "stale from now on, in place of removed: it may be served while the server is asked")
    .option("--cache <name>", "which cache (default: the only one)")
    .action(clientAction<PurgeFlags>(purge));
}

function collect(line: string, lines: readonly string[] = []): readonly string[] {
  return [...lines, line];
}

async function list({ client, flags }: ClientContext<object>): Promise<string> {
  const caches = await orFail(listCaches(client), (reason) => `Failed to list caches: ${reason}`);
  if (flags.json) return jsonLine(caches);
  if (caches.length === 0) return "There are no caches.\n";
  const width = process.stdout.columns ?? Number.POSITIVE_INFINITY;
  return cachesText(caches, stdoutPaint(), { width }).trimStart();
}

async function lookUp(context: ClientContext<LookUpFlags>, url: string): Promise<string> {
  required(url, context, "The URL is missing.");
  const { client, flags } = context;
  const cache = await cacheMeant(context);
  const stored = await orFail(
    lookUpInCache(client, cache, url, flags.header ?? []),
    (reason) => `Failed to look up ${url}: ${reason}`,
  );
  return flags.json ? jsonLine(stored) : storedText(stored, stdoutPaint());
}

async function purge(context: ClientContext<PurgeFlags>, url: string): Promise<string> {
  const { client, flags } = context;
  const order = toPurge(context, url);
  const cache = await cacheMeant(context);
  const purged = await orFail(purgeCache(client, cache, order), (reason) => `Failed to purge: ${reason}`);
  if (flags.json) return jsonLine(purged);
  const later = purged.everywhere === false ? LATER : "";
  if (purged.found === false) return `Nothing was stored for ${url}\n${later}`;
  return `Purged ${url || (flags.prefix ?? flags.tag ?? "everything")} in ${cache}\n${later}`;
}

function toPurge(context: ClientContext<PurgeFlags>, url: string): ApiPurge {
  const { prefix, tag, all, soft } = context.flags;
  const given = [url === "" ? undefined : url, prefix, tag, all].filter((one) => one !== undefined);
  required(
    given.length === 0 ? "" : "one",
    context,
    "What to purge is missing: a URL, --prefix, --tag or --all.",
  );
  if (given.length > 1) throw new ClientFailure("A URL, --prefix, --tag and --all exclude each other.");
  return {
    ...(url === "" ? {} : { url }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(tag === undefined ? {} : { tag }),
    ...(all === undefined ? {} : { all }),
    ...(soft === undefined ? {} : { soft }),
  };
}

/** The cache that was named, or the only one. */
async function cacheMeant({ client, flags }: ClientContext<CacheFlags>): Promise<string> {
  if (flags.cache !== undefined) return flags.cache;
  const caches = await orFail(listCaches(client), (reason) => `Failed to list caches: ${reason}`);
  const [only, ...others] = caches.map(({ name }) => name);
  if (only === undefined) throw new ClientFailure("There are no caches.");
  if (others.length === 0) return only;
  throw new ClientFailure(`There are several caches: --cache is one of ${[only, ...others].join(", ")}.`);
}
