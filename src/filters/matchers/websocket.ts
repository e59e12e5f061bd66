import { asksForWebSocket } from "../../http/websocket.ts";
import type { Predicate } from "./subject.ts";

/** The client asks to change to WebSocket: `Connection: Upgrade` and `Upgrade: websocket` (RFC 6455 §4.1). */
export function matchWebSocket(wanted: boolean): Predicate {
  return ({ request }) => asksForWebSocket(request.upgrade) === wanted;
}
