import type { Logger } from "pino";
import type { GroupEvent } from "../upstream/group-status.ts";
import type { Upstreams } from "./upstreams.ts";

type ServerEvent = Extract<GroupEvent, { kind: "server" }>;

/** Writes to the log what happens to groups of servers: each thing once, as it is told. */
export function logUpstreams(upstreams: Pick<Upstreams, "onEvent">, log: Logger): () => void {
  return upstreams.onEvent((event) => {
    const { group: upstream } = event;
    switch (event.kind) {
      case "server":
        logServer(event, log);
        return;
      case "servers": {
        const { added, removed } = event;
        log.info({ upstream, added, removed }, "An upstream has other servers");
        return;
      }
      case "group":
        if (event.isDown) log.error({ upstream }, "None of an upstream's servers is available");
        else log.info({ upstream }, "An upstream is available again");
        return;
      case "discovery":
        log.warn({ upstream, reason: event.message }, "An upstream's servers can't be looked up");
    }
  });
}

function logServer({ group: upstream, address: server, from, to, reason }: ServerEvent, log: Logger): void {
  const facts = { upstream, server, ...(reason === "" ? {} : { reason }) };
  switch (to) {
    case "up":
      log.info({ ...facts, was: from }, "A server is back");
      return;
    case "down":
      log.warn(facts, "A server is down");
      return;
    case "ejected":
      log.warn(facts, "A server failed too many requests and is left out for a while");
      return;
    case "draining":
      log.info(facts, "A server is drained");
      return;
    case "disabled":
      log.info(facts, "A server is disabled");
  }
}
