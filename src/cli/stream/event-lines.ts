import type { StreamEvent } from "../../proxy/stream-proxy.ts";

const KIND_WIDTH = "connect-failed".length;

/** An event as a line for people. */
export function toTextLine({ kind, proxy, time, client, detail }: StreamEvent): string {
  const words = [proxy, client, detail].filter((word) => word !== "");
  return `${new Date(time).toISOString()} ${kind.padEnd(KIND_WIDTH)} ${words.join("  ")}`;
}

/** An event as a line of JSON. */
export function toJsonLine({ kind, time, ...rest }: StreamEvent): string {
  return JSON.stringify({ event: kind, time: new Date(time).toISOString(), ...rest });
}
