import { type Command, Option } from "commander";
import { Exit } from "../errors.ts";
import { jsonOption } from "../options.ts";
import { ApiClient, ApiError } from "./api-client.ts";

/** What every command can be told that asks a server. */
export interface ClientFlags {
  readonly host: string;
  readonly token?: string;
  readonly json?: true;
}

const SERVER = "http://localhost:8474";

/** Something that didn't work: said as it is, as `toxiproxy-cli` says it, and the program ends with code 1. */
export class ClientFailure extends Error {}

/** Adds where the server is. `-h` is its address and not help, as in `toxiproxy-cli`. */
export function addClientOptions(command: Command): Command {
  return (
    command
      .helpOption("--help", "show this help")
      // The server may be named before the command that it is asked by, or behind it.
      .enablePositionalOptions(false)
      .addOption(
        new Option("-h, --host <url>", "the server whose proxies are meant")
          .default(SERVER)
          .env("TOXIPROXY_URL"),
      )
      .addOption(
        new Option("--token <token>", "the bearer token that the server asks for").env("SLUICE_TOKEN"),
      )
      .addOption(jsonOption())
  );
}

/** What a command works with. */
export interface ClientContext<F> {
  readonly client: ApiClient;
  readonly flags: F & ClientFlags;
  readonly command: Command;
}

/** `names` are the command's arguments in their order, "" for one that is missing. */
type Work<F> = (context: ClientContext<F>, ...names: string[]) => Promise<string>;

/** An action for a command: asks the server and prints what comes of it. */
export function clientAction<F>(work: Work<F>): (this: Command) => Promise<void> {
  return async function act(this: Command): Promise<void> {
    const flags = this.optsWithGlobals<F & ClientFlags>();
    const names = this.registeredArguments.map((_, i) => this.args[i] ?? "");
    process.stdout.once("error", leaveWithReader);
    try {
      const client = new ApiClient({ url: flags.host, token: flags.token ?? null });
      process.stdout.write(await work({ client, flags, command: this }, ...names));
    } catch (error) {
      if (!(error instanceof ClientFailure || error instanceof TypeError)) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = Exit.Failed;
    }
  };
}

/** Whoever read the output is gone, as behind `| head`: there is nobody left to print for. */
function leaveWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit();
}

/** What has to be there: without it the command's help is shown and `message` told. */
export function required(
  value: string | undefined,
  { command }: { command: Command },
  message: string,
): string {
  if (value !== undefined && value !== "") return value;
  command.outputHelp();
  throw new ClientFailure(message);
}

/** What a call resolves with; when it fails, what `describe` makes of the reason is told. */
export async function orFail<T>(call: Promise<T>, describe: (reason: string) => string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new ClientFailure(describe(reasonOf(error)), { cause: error });
  }
}

function reasonOf({ status, message }: ApiError): string {
  return status === 0 ? message : `HTTP ${status}: ${message}`;
}

/** A line of JSON. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
