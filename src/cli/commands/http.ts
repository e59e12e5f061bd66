import { type Command, Option } from "commander";
import { snapshotFromFlags } from "../../config/flags.ts";
import { UsageError } from "../errors.ts";
import { accessLogOption, collectAddress, jsonOption, logLevelOption, threadsOption } from "../options.ts";
import { type SharedFlags, serveSnapshot } from "./serve-snapshot.ts";

interface HttpFlags extends SharedFlags {
  bind?: string[];
  ba?: string[];
  upstream?: string[];
  pa?: string[];
  contextPath?: string;
  cp?: string;
  host?: string;
}

const EXAMPLES = `
Examples:
  sluice http --bind :8080 --upstream 127.0.0.1:3000
  sluice http --bind :8080 --upstream 127.0.0.1:3000 --upstream 127.0.0.1:3001 --threads 4
  sluice http --bind :8080 --upstream 127.0.0.1:3000 --context-path /api --host api.example.com`;

/** `sluice http`: a proxy and balancer from flags alone. */
export function addHttp(program: Command): void {
  program
    .command("http")
    .description("run an HTTP proxy and balancer from flags alone")
    .option(
      "-b, --bind <address>",
      "listen here: host:port, :port, [v6]:port or unix:/path (repeatable)",
      collectAddress,
    )
    .addOption(new Option("--ba <address>", "as --bind").argParser(collectAddress).hideHelp())
    .option("-u, --upstream <address>", "a server to send requests to (repeatable)", collectAddress)
    .addOption(new Option("--pa <address>", "as --upstream").argParser(collectAddress).hideHelp())
    .option("--context-path <path>", "only requests below this path; others get 404")
    .addOption(new Option("--cp <path>", "as --context-path").hideHelp())
    .option("--host <name>", "the Host that servers get, instead of the client's")
    .addOption(threadsOption())
    .addOption(accessLogOption())
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .addHelpText("after", EXAMPLES)
    .action(runHttp);
}

async function runHttp(flags: HttpFlags): Promise<void> {
  const bind = [...(flags.bind ?? []), ...(flags.ba ?? [])];
  const upstream = [...(flags.upstream ?? []), ...(flags.pa ?? [])];
  if (bind.length === 0)
    throw new UsageError("no address to listen on: give one with --bind, for example --bind :8080");
  if (upstream.length === 0) {
    throw new UsageError(
      "no upstream: give at least one with --upstream, for example --upstream 127.0.0.1:3000",
    );
  }
  const contextPath = flags.contextPath ?? flags.cp ?? null;
  const snapshot = snapshotFromFlags({ bind, upstream, contextPath, host: flags.host ?? null });
  await serveSnapshot(snapshot, flags);
}
