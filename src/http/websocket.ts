import { createHash } from "node:crypto";

/** RFC 6455 §1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Whether WebSocket is among these protocols: `Upgrade` is a list, and each in it may have a version (RFC 9110 §7.8). */
export function asksForWebSocket(upgrade: string | null): boolean {
  if (upgrade === null) return false;
  if (upgrade === "websocket") return true;
  return upgrade.split(",").some((protocol) => protocol.trim().toLowerCase() === "websocket");
}

/** What a server that agrees has to say in `Sec-WebSocket-Accept` to this `Sec-WebSocket-Key` (RFC 6455 §4.2.2). */
export function webSocketAccept(key: string): string {
  return createHash("sha1").update(key.trim()).update(GUID).digest("base64");
}
