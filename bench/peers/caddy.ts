import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installed, pathOf } from "./installed.ts";
import type { Peer, PeerContext } from "./peer.ts";

export const caddy: Peer = {
  name: "caddy",
  about: "reverse_proxy, 1024 idle upstream connections",
  available: () => installed("caddy", "version"),
  async start(context) {
    const file = join(context.directory, "Caddyfile");
    await writeFile(file, config(context));
    const command = [pathOf("caddy"), "run", "--config", file, "--adapter", "caddyfile"];
    return context.launch(command, { env: environment(context) });
  },
};

/** Caddy has no option for its threads; Go has. The folders keep it from writing to the user's. */
function environment({ threads, directory }: PeerContext): Record<string, string> {
  return {
    GOMAXPROCS: String(threads),
    XDG_CONFIG_HOME: join(directory, "config"),
    XDG_DATA_HOME: join(directory, "data"),
  };
}

/** Of 64 upstream connections Caddy would keep only 32 by default, and open the others anew. */
function config({ port, originPort }: PeerContext): string {
  return `
{
  admin off
  auto_https off
}
http://:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${originPort} {
    transport http {
      keepalive_idle_conns_per_host 1024
    }
  }
}
`;
}
