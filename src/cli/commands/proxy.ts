import type { Command } from "commander";
import type { ApiProxy } from "../steering/api-client.ts";
import {
  addClientOptions,
  type ClientContext,
  clientAction,
  jsonLine,
  orFail,
  required,
} from "../steering/client-command.ts";
import { enabledColour, enabledText, inspectProxy, listProxies } from "../steering/listings.ts";
import { stdoutPaint } from "../steering/paint.ts";
import { addToxic } from "./toxic.ts";

interface CreateFlags {
  readonly listen?: string;
  readonly upstream?: string;
}

const EXAMPLES = `
Examples:
  sluice proxy list
  sluice proxy create --listen localhost:26379 --upstream localhost:6379 redis
  sluice proxy --host http://10.0.0.5:8474 inspect redis
  sluice proxy toggle redis

The flags, outputs and exit codes are those of toxiproxy-cli: alias toxiproxy-cli='sluice proxy'.`;

/** `sluice proxy`: the proxies of a running server. */
export function addProxy(program: Command): void {
  const proxy = addClientOptions(program.command("proxy"))
    .description("list, inspect, create, toggle or delete proxies of a running server")
    .addHelpText("after", EXAMPLES);
  proxy.command("list").aliases(["l", "li", "ls"]).description("list all proxies").action(clientAction(list));
  proxy
    .command("inspect")
    .aliases(["i", "ins"])
    .description("show a proxy and its toxics")
    .argument("[proxyName]")
    .action(clientAction(inspect));
  proxy
    .command("create")
    .aliases(["c", "new"])
    .description("create a proxy")
    .argument("[proxyName]")
    .option("-l, --listen <address>", "where the proxy listens")
    .option("-u, --upstream <address>", "where it leads; several servers separated by commas")
    .action(clientAction<CreateFlags>(create));
  proxy
    .command("toggle")
    .aliases(["tog"])
    .description("enable a proxy, or disable it")
    .argument("[proxyName]")
    .action(clientAction(toggle));
  proxy
    .command("delete")
    .aliases(["d"])
    .description("delete a proxy")
    .argument("[proxyName]")
    .action(clientAction(remove));
  addToxic(proxy);
}

async function list({ client, flags }: ClientContext<object>): Promise<string> {
  const proxies = await orFail(client.proxies(), (reason) => `Failed to retrieve proxies: ${reason}`);
  return flags.json ? jsonLine(proxies) : listProxies(proxies, stdoutPaint());
}

async function inspect(context: ClientContext<object>, name: string): Promise<string> {
  const proxy = await retrieve(context, name);
  return context.flags.json ? jsonLine(proxy) : inspectProxy(proxy, stdoutPaint());
}

function retrieve(context: ClientContext<object>, name: string): Promise<ApiProxy> {
  const proxyName = requireName(context, name);
  return orFail(context.client.proxy(proxyName), (reason) => `Failed to retrieve proxy ${name}: ${reason}`);
}

function requireName(context: ClientContext<object>, name: string): string {
  return required(name, context, "Proxy name is required as the first argument.");
}

async function create(context: ClientContext<CreateFlags>, name: string): Promise<string> {
  requireName(context, name);
  const { client, flags } = context;
  const listen = required(flags.listen, context, "Required argument 'listen' was empty.");
  const upstream = required(flags.upstream, context, "Required argument 'upstream' was empty.");
  const made = client.createProxy({ name, listen, upstream, enabled: true });
  const proxy = await orFail(made, (reason) => `Failed to create proxy: create: ${reason}`);
  return flags.json ? jsonLine(proxy) : `Created new proxy ${name}\n`;
}

async function toggle(context: ClientContext<object>, name: string): Promise<string> {
  const { client, flags } = context;
  const enabled = !(await retrieve(context, name)).enabled;
  const saved = client.updateProxy(name, { enabled });
  const proxy = await orFail(saved, (reason) => `Failed to toggle proxy ${name}: ${reason}`);
  if (flags.json) return jsonLine(proxy);
  const { colour } = stdoutPaint();
  const how = enabledColour(enabled);
  return `Proxy ${colour(how, name)} is now ${colour(how, enabledText(enabled))}\n`;
}

async function remove(context: ClientContext<object>, name: string): Promise<string> {
  await retrieve(context, name);
  const deleted = context.client.deleteProxy(name);
  await orFail(deleted, (reason) => `Failed to delete proxy: Delete: ${reason}`);
  return context.flags.json ? jsonLine({ deleted: name }) : `Deleted proxy ${name}\n`;
}
