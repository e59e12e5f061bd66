import { type Command, Option } from "commander";
import { collect } from "../options.ts";
import type { ApiProxy } from "../steering/api-client.ts";
import {
  addClientOptions,
  type ClientContext,
  clientAction,
  jsonLine,
  orFail,
  required,
} from "../steering/client-command.ts";
import { attributesOf, streamOf, type ToxicFlags, toxicityOf } from "../steering/toxic-arguments.ts";

const EXAMPLES = `
Examples:
  sluice toxic add --type latency --toxicName slow -a latency=100 -a jitter=50 redis
  sluice toxic add -t bandwidth --upstream --toxicity 0.5 -a rate=100 redis
  sluice toxic update -n slow -a jitter=25 redis
  sluice toxic remove -n slow redis`;

/** `sluice toxic`: the toxics of a running server. */
export function addToxic(program: Command): void {
  const toxic = addClientOptions(program.command("toxic").alias("t"))
    .description("add, update or remove toxics of a running server")
    .addHelpText("after", EXAMPLES);
  addToxicOptions(toxic.command("add").alias("a").description("add a toxic"))
    .option("-t, --type <type>", "its type")
    .option("-u, --upstream", "from the client to the server")
    .option("-d, --downstream", "from the server to the client (default)")
    .action(clientAction<ToxicFlags>(add));
  addToxicOptions(toxic.command("update").alias("u").description("change a toxic")).action(
    clientAction<ToxicFlags>(update),
  );
  toxic
    .command("remove")
    .aliases(["r", "delete", "d"])
    .description("remove a toxic")
    .argument("[proxyName]")
    .option("-n, --toxicName <name>", "its name")
    .action(clientAction<ToxicFlags>(remove));
}

function addToxicOptions(command: Command): Command {
  return command
    .argument("[proxyName]")
    .option("-n, --toxicName <name>", "its name")
    .option("--toxicity <share>", "share of connections it is active on, 0 to 1 (default: 1)")
    .addOption(new Option("--tox <share>").hideHelp())
    .option("-a, --attribute <key=value>", "one of its attributes (repeatable)", collect);
}

async function add(context: ClientContext<ToxicFlags>, proxy: string): Promise<string> {
  requireProxy(context, proxy);
  const { client, flags } = context;
  const type = required(flags.type, context, "Required argument 'type' was empty.");
  const stream = streamOf(flags);
  const settings = { type, stream, toxicity: toxicityOf(flags), attributes: attributesOf(flags) };
  await retrieve(context, proxy, "add");
  const added = client.addToxic(proxy, { name: flags.toxicName ?? "", ...settings });
  const toxic = await orFail(
    added,
    (reason) => `Failed to add toxic: failed to add toxic to proxy ${proxy}: AddToxic: ${reason}`,
  );
  if (flags.json) return jsonLine(toxic);
  return `Added ${toxic.stream} ${toxic.type} toxic '${toxic.name}' on proxy '${proxy}'\n`;
}

/** Whatever isn't said of its toxicity makes it 1 again, as in the original. */
async function update(context: ClientContext<ToxicFlags>, proxy: string): Promise<string> {
  requireProxy(context, proxy);
  const { client, flags } = context;
  const name = requireToxic(context);
  const change = { toxicity: toxicityOf(flags), attributes: attributesOf(flags) };
  await retrieve(context, proxy, "update");
  const toxic = await orFail(
    client.updateToxic(proxy, name, change),
    (reason) => `Failed to update toxic: failed to update toxic '${name}' of proxy '${proxy}': ${reason}`,
  );
  return flags.json ? jsonLine(toxic) : `Updated toxic '${toxic.name}' on proxy '${proxy}'\n`;
}

async function remove(context: ClientContext<ToxicFlags>, proxy: string): Promise<string> {
  requireProxy(context, proxy);
  const { client, flags } = context;
  const name = requireToxic(context);
  await retrieve(context, proxy, "remove");
  await orFail(
    client.removeToxic(proxy, name),
    (reason) => `Failed to remove toxic: failed to remove toxic '${name}' from proxy '${proxy}': ${reason}`,
  );
  if (flags.json) return jsonLine({ removed: name, proxy });
  return `Removed toxic '${name}' on proxy '${proxy}'\n`;
}

function requireProxy(context: ClientContext<ToxicFlags>, proxy: string): void {
  required(proxy, context, "Proxy name is missing.");
}

function requireToxic(context: ClientContext<ToxicFlags>): string {
  return required(context.flags.toxicName, context, "Required argument 'toxicName' was empty.");
}

/** Whether the proxy is there is asked first, so that an error can say which of the two is missing. */
function retrieve(
  { client }: ClientContext<ToxicFlags>,
  proxy: string,
  what: "add" | "update" | "remove",
): Promise<ApiProxy> {
  return orFail(
    client.proxy(proxy),
    (reason) => `Failed to ${what} toxic: failed to retrieve proxy with name \`${proxy}\`: ${reason}`,
  );
}
