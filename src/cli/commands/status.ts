import { clearScreenDown, cursorTo } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { listCaches } from "../steering/caches-client.ts";
import { cachesText } from "../steering/caches-text.ts";
import {
  addClientOptions,
  type ClientContext,
  ClientFailure,
  clientAction,
  jsonLine,
  orFail,
} from "../steering/client-command.ts";
import { readCounted } from "../steering/counted-client.ts";
import { stdoutPaint } from "../steering/paint.ts";
import { reloadStatus } from "../steering/reload-client.ts";
import { reloadStatusText } from "../steering/reload-text.ts";
import { limitsText, listenersText, pluginsText, upstreamsText } from "../steering/status-text.ts";
import { listLimits, listUpstreams } from "../steering/upstreams-client.ts";

interface StatusFlags {
  readonly watch?: true;
}

const EXAMPLES = `
Examples:
  sluice status
  sluice status --watch
  sluice status --host http://10.0.0.5:8474 --token secret
  sluice status --json | jq '.upstreams[].servers[] | select(.state != "up")'

It asks the admin API of a running process: admin: in its configuration, or sluice http --admin.`;

/** `sluice status`: groups of servers, how each server is and why, limits, caches, plugins, and generations of threads. */
export function addStatus(program: Command): void {
  addClientOptions(program.command("status"))
    .description(
      "show the upstreams of a running process: servers, their health, counters; limits; caches; plugins; generations",
    )
    .option("-w, --watch", "show it again every second")
    .addHelpText("after", EXAMPLES)
    .action(clientAction<StatusFlags>(showStatus));
}

/** Milliseconds between two looks. */
const PERIOD = 1_000;

async function showStatus(context: ClientContext<StatusFlags>): Promise<string> {
  let text = await statusText(context);
  while (context.flags.watch === true) {
    show(text);
    await delay(PERIOD);
    text = await statusText(context).catch(toLine);
  }
  return text;
}

/** A process that is away for a while, because it starts anew, say, is no reason to stop watching. */
function toLine(error: unknown): string {
  if (error instanceof ClientFailure) return `${error.message}\n`;
  throw error;
}

/** In the place of what was shown before, on a terminal. */
function show(text: string): void {
  if (process.stdout.isTTY) {
    cursorTo(process.stdout, 0, 0);
    clearScreenDown(process.stdout);
  }
  process.stdout.write(text);
}

async function statusText({ client, flags }: ClientContext<StatusFlags>): Promise<string> {
  const [upstreams, limits, caches, { listeners, plugins }, reload] = await orFail(
    Promise.all([
      ...([listUpstreams(client), listLimits(client), listCaches(client)] as const),
      ...([readCounted(client), reloadStatus(client)] as const),
    ]),
    (reason) => `Failed to ask for the status: ${reason}`,
  );
  if (flags.json) return jsonLine({ upstreams, listeners, limits, caches, plugins, reload });
  const room = { width: process.stdout.columns ?? Number.POSITIVE_INFINITY, now: Date.now() };
  const paint = stdoutPaint();
  const generations = reload === null ? "" : reloadStatusText(reload, paint, room);
  return [
    upstreamsText(upstreams, paint, room),
    listenersText(listeners, paint, room),
    limitsText(limits, paint, room),
    cachesText(caches, paint, room),
    pluginsText(plugins, paint, room),
    generations,
  ].join("");
}
