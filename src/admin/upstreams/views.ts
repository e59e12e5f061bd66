import type { LimitStatus } from "../../control/limits.ts";
import type { GroupEvent, GroupStatus, ServerStatus } from "../../upstream/group-status.ts";
import type { NamedEvent } from "../http/event-stream.ts";

/** A group of servers as JSON. Times are milliseconds since 1970. */
export function upstreamView({ servers, discoveryError, ...group }: GroupStatus): object {
  return { ...group, discovery_error: discoveryError, servers: servers.map(serverView) };
}

export function serverView({ counts, ...server }: ServerStatus): object {
  const named = Object.entries(counts).map(([name, count]) => [COUNT_NAMES[name as CountName], count]);
  return { ...server, counts: Object.fromEntries(named) };
}

type CountName = keyof ServerStatus["counts"];

const COUNT_NAMES: Readonly<Record<CountName, string>> = {
  requests: "requests",
  responses2xx: "responses_2xx",
  responses3xx: "responses_3xx",
  responses4xx: "responses_4xx",
  responses5xx: "responses_5xx",
  connectFailures: "connect_failures",
  failures: "failures",
  retries: "retries",
  ejections: "ejections",
};

/** A limit as JSON; its window in milliseconds. */
export function limitView({ isRemote, ...limit }: LimitStatus): object {
  return { ...limit, is_remote: isRemote };
}

/** Something that happened in a group of servers, as its listeners are told it. */
export function groupEventView(event: GroupEvent): NamedEvent {
  const { group: upstream, kind, time } = event;
  switch (event.kind) {
    case "server": {
      const { address: server, from, to, reason } = event;
      return named({ kind, upstream, server, from, to, reason, time });
    }
    case "servers":
      return named({ kind, upstream, added: event.added, removed: event.removed, time });
    case "group":
      return named({ kind: "upstream", upstream, is_down: event.isDown, time });
    case "discovery":
      return named({ kind, upstream, message: event.message, time });
  }
}

function named<T extends NamedEvent>(event: T): NamedEvent {
  return event;
}
