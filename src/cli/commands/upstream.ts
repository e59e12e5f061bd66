import type { Command } from "commander";
import { isWeight, MAX_WEIGHT } from "../../upstream/server.ts";
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
import { listText } from "../steering/status-text.ts";
import {
  type ApiServer,
  type ApiServerChange,
  changeServer,
  listUpstreams,
} from "../steering/upstreams-client.ts";

const EXAMPLES = `
Examples:
  sluice upstream list
  sluice upstream drain api 10.0.0.2:8080      nothing new goes there; what is under way ends by itself
  sluice upstream enable api 10.0.0.2:8080
  sluice upstream disable api 10.0.0.2:8080    not even clients that belong to it
  sluice upstream weight api 10.0.0.2:8080 5

sluice status shows how the servers are. What is ordered holds until the process ends.`;

const ORDERS = {
  drain: {
    state: "draining",
    about: "send nothing new to a server, but clients that belong to it",
    done: "is drained",
  },
  enable: { state: "enabled", about: "send requests to a server again", done: "is enabled" },
  disable: { state: "disabled", about: "send nothing to a server any more", done: "is disabled" },
} as const;

/** `sluice upstream`: the servers of a running process. */
export function addUpstream(program: Command): void {
  const upstream = addClientOptions(program.command("upstream"))
    .description("list the upstreams of a running process; drain, enable or disable servers, change weights")
    .addHelpText("after", EXAMPLES);
  upstream.command("list").alias("ls").description("list all upstreams").action(clientAction(list));
  for (const [name, { state, about, done }] of Object.entries(ORDERS)) {
    addServerCommand(upstream, name, about).action(
      clientAction<object>((context, group, server) => change(context, { group, server }, { state }, done)),
    );
  }
  addServerCommand(upstream, "weight", "change a server's share of the requests")
    .argument("[weight]", `a whole number from 1 to ${MAX_WEIGHT}`)
    .action(clientAction(setWeight));
}

/** Arguments that are missing are told of by the command itself, in the way of the other commands. */
function addServerCommand(upstream: Command, name: string, about: string): Command {
  return upstream
    .command(name)
    .description(about)
    .argument("[upstream]", "its name")
    .argument("[server]", "the server's address, as the configuration has it");
}

async function list({ client, flags }: ClientContext<object>): Promise<string> {
  const upstreams = await orFail(listUpstreams(client), (reason) => `Failed to list upstreams: ${reason}`);
  return flags.json ? jsonLine(upstreams) : listText(upstreams, stdoutPaint());
}

function setWeight(
  context: ClientContext<object>,
  group: string,
  server: string,
  text: string,
): Promise<string> {
  requireServer(context, { group, server });
  const weight = Number(required(text, context, "The weight is missing."));
  if (!isWeight(weight))
    throw new ClientFailure(`${text} is no weight: it is a whole number from 1 to ${MAX_WEIGHT}.`);
  return change(context, { group, server }, { weight }, `has the weight ${weight}`);
}

/** A server and the upstream that it belongs to. */
interface ServerName {
  readonly group: string;
  readonly server: string;
}

async function change(
  context: ClientContext<object>,
  name: ServerName,
  order: ApiServerChange,
  done: string,
): Promise<string> {
  requireServer(context, name);
  const { client, flags } = context;
  const { group, server } = name;
  const changed = await orFail<ApiServer>(
    changeServer(client, group, server, order),
    (reason) => `Failed to change server ${server}: ${reason}`,
  );
  return flags.json ? jsonLine(changed) : `Server ${server} of ${group} ${done}\n`;
}

function requireServer(context: ClientContext<object>, { group, server }: ServerName): void {
  required(group, context, "The upstream's name is missing.");
  required(server, context, "The server's address is missing.");
}
