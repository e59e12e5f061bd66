import { type Command, Option } from "commander";
import { collectAddress } from "../options.ts";
import { addStreamOptions, type StreamFlags, toAddress, toDuration } from "../stream/options.ts";
import { addStreamTls } from "../stream/tls.ts";

const EXAMPLES = `
TLS: with a certificate it ends here, and servers get plaintext, or with --tls a connection of their own. What --sni names is
passed on as it is, with the servers' certificates; without any certificate here that is all that is done with TLS, and the
servers behind <listen>, if there are any, are for all other names. Faults act on plaintext where TLS ends here.

Examples:
  sluice tcp 5433 127.0.0.1:5432
  sluice tcp 127.0.0.1:5433 db1:5432 db2:5432 --mode "latency 100±20 downstream"
  sluice tcp :6380 127.0.0.1:6379 --toxic "bandwidth rate=100 upstream" --toxic "reset_peer timeout=2s toxicity=0.1"
  sluice tcp 5433 127.0.0.1:5432 --json --api     without a terminal: events as JSON, steered by the API
  sluice tcp :6380 127.0.0.1:6379 --cert redis.pem --key redis.key
  sluice tcp :443 --sni a.example=10.0.0.1:443 --sni "*.b.example=10.0.0.2:443"
  sluice tcp 5433 10.0.0.3:5432 --tls --sni db.example --ca authority.pem
  sluice tcp 5433 db.example:5432 --tls       plain for clients here, TLS to the server`;

/** `sluice tcp`: the TCP chaos proxy with its live menu. */
export function addTcp(program: Command): void {
  const command = program
    .command("tcp")
    .description("run a TCP proxy with faults that are changed live: from a menu, by keys, or by the API")
    .argument("<listen>", "host:port, :port, port, [v6]:port or unix:/path", toAddress)
    .argument("[upstream...]", "servers, tried one after the other until a connection stands", collectAddress)
    .option("--connect-timeout <duration>", "how long a server may take to accept, as in 5s", toDuration)
    .addOption(
      new Option(
        "--send-proxy-protocol <version>",
        "begin connections to servers with such a header",
      ).choices(["v1", "v2"]),
    );
  addStreamTls(command);
  addStreamOptions(command)
    .addHelpText("after", EXAMPLES)
    .action(async (listen: string, upstreams: string[], flags: StreamFlags) => {
      const { runStream } = await import("../stream/run-stream.ts");
      await runStream({ protocol: "tcp", listen, upstreams, flags });
    });
}
