import type { OtherPlace } from "../observe/traffic/traffic-keeper.ts";
import type { PluginStatus } from "./plugins.ts";

/** A plugin as a place that traffic passes: what came into it from clients, and what it gave them. */
export function pluginPlace(plugin: PluginStatus): OtherPlace {
  const { name, connections, connectionsOpen, requests, errors, bytesInUp, bytesOutDown } = plugin;
  const { title, version, isolate, calls, refusals, restarts, nanoseconds, latencies } = plugin;
  return {
    kind: "plugin",
    name,
    counts: {
      ...{ connections, connectionsOpen, requests },
      ...{ bytesIn: bytesInUp, bytesOut: bytesOutDown, failed: errors },
    },
    latencies,
    details: { title, version, isolate, calls, refused: refusals, restarts, call_time: nanoseconds / 1e6 },
  };
}
