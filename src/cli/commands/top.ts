import { type Command, Option } from "commander";
import { WINDOW_NAMES, type WindowName } from "../../tui/top/stats.ts";
import { snapshotText } from "../../tui/top/summary.ts";
import { takeOnePicture } from "../../tui/top/top-watch.ts";
import {
  addClientOptions,
  type ClientContext,
  clientAction,
  jsonLine,
  orFail,
} from "../steering/client-command.ts";
import { statsSource } from "../steering/stats-client.ts";

interface TopFlags {
  readonly once?: true;
  readonly window: WindowName;
}

const EXAMPLES = `
Examples:
  sluice top
  sluice top --host http://10.0.0.5:8474 --token secret
  sluice top --once
  sluice top --json | jq '.stats.routes[] | {name, p99: .windows["60s"].latency.p99}'

It asks the admin API of a running process: admin: in its configuration, or sluice http --admin.`;

/** `sluice top`: what passes a running process, live. */
export function addTop(program: Command): void {
  addClientOptions(program.command("top"))
    .description("show live what passes a running process: listeners, routes, upstreams, clients and paths")
    .option("-1, --once", "print it once, as text; so it does where there is no terminal")
    .addOption(
      new Option("--window <time>", "how far back rates and latencies look (w changes it)")
        .choices(WINDOW_NAMES)
        .default("10s"),
    )
    .addHelpText("after", EXAMPLES)
    .action(clientAction<TopFlags>(showTop));
}

async function showTop({ client, flags }: ClientContext<TopFlags>): Promise<string> {
  const source = statsSource(client);
  const { stdin, stdout } = process;
  if (flags.once !== true && flags.json !== true && stdin.isTTY && stdout.isTTY) {
    const { openTop } = await import("../../tui/top/open-top.ts");
    const isColoured = !process.env["NO_COLOR"];
    await openTop({ source, stdin, stdout, isColoured, window: flags.window }).closed;
    return "";
  }
  const picture = await orFail(
    takeOnePicture(source),
    (reason) => `Failed to ask for the traffic: ${reason}`,
  );
  if (flags.json) return jsonLine(picture);
  const width = stdout.columns ?? Number.POSITIVE_INFINITY;
  return snapshotText(picture, client.url, { window: flags.window, sort: "name", width });
}
