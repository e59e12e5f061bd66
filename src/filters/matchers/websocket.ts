import type { Predicate } from "./subject.ts";

/** The client asks to change to WebSocket: `Connection: Upgrade` and `Upgrade: websocket` (RFC 6455 §4.1). */
export function matchWebSocket(wanted: boolean): Predicate {
  return ({ request }) => isWebSocket(request.upgrade) === wanted;
}

/** `Upgrade` is a list, and each protocol in it may have a version (RFC 9110 §7.8). */
function isWebSocket(upgrade: string | null): boolean {
  if (upgrade === null) return false;
  if (upgrade === "websocket") return true;
  return upgrade.split(",").some((protocol) => protocol.trim().toLowerCase() === "websocket");
}
