import { type Command, Option } from "commander";
import { collectAddress } from "../options.ts";
import { addStreamOptions, type StreamFlags, toAddress, toDuration } from "../stream/options.ts";
import { runStream } from "../stream/run-stream.ts";

const EXAMPLES = `
Examples:
  sluice tcp 5433 127.0.0.1:5432
  sluice tcp 127.0.0.1:5433 db1:5432 db2:5432 --mode "latency 100±20 downstream"
  sluice tcp :6380 127.0.0.1:6379 --toxic "bandwidth rate=100 upstream" --toxic "reset_peer timeout=2s toxicity=0.1"
  sluice tcp 5433 127.0.0.1:5432 --json --api     without a terminal: events as JSON, steered by the API`;

/** `sluice tcp`: the TCP chaos proxy with its live menu. */
export function addTcp(program: Command): void {
  const command = program
    .command("tcp")
    .description("run a TCP proxy with faults that are changed live: from a menu, by keys, or by the API")
    .argument("<listen>", "host:port, :port, port, [v6]:port or unix:/path", toAddress)
    .argument("<upstream...>", "servers, tried one after the other until a connection stands", collectAddress)
    .option("--connect-timeout <duration>", "how long a server may take to accept, as in 5s", toDuration)
    .addOption(
      new Option(
        "--send-proxy-protocol <version>",
        "begin connections to servers with such a header",
      ).choices(["v1", "v2"]),
    );
  addStreamOptions(command)
    .addHelpText("after", EXAMPLES)
    .action((listen: string, upstreams: string[], flags: StreamFlags) =>
      runStream({ protocol: "tcp", listen, upstreams, flags }),
    );
}
