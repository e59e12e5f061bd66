import { type Command, Option } from "commander";
import { addStreamOptions, type StreamFlags, toAddress } from "../stream/options.ts";

const EXAMPLES = `
Examples:
  sluice udp 5353 9.9.9.9:53
  sluice udp 127.0.0.1:5353 9.9.9.9:53 --toxic "packet_loss loss_rate=0.1" --toxic "duplicate rate=0.05"
  sluice udp 5353 9.9.9.9:53 --mode "latency 80±30" --seed 7`;

/** `sluice udp`: the same for datagrams. */
export function addUdp(program: Command): void {
  const command = program
    .command("udp")
    .description("run a UDP proxy with faults that are changed live: from a menu, by keys, or by the API")
    .argument("<listen>", "host:port, :port, port or [v6]:port", toAddress)
    .argument("<upstream>", "the server", toAddress)
    .addOption(
      new Option(
        "--send-proxy-protocol <version>",
        "begin datagrams to the server with such a header",
      ).choices(["v2"]),
    );
  addStreamOptions(command)
    .addHelpText("after", EXAMPLES)
    .action(async (listen: string, upstream: string, flags: StreamFlags) => {
      const { runStream } = await import("../stream/run-stream.ts");
      await runStream({ protocol: "udp", listen, upstreams: [upstream], flags });
    });
}
