import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isSecure, serverName } from "../load/load.ts";
import { installed, pathOf } from "./installed.ts";
import { allProtocols, type Peer, type PeerContext } from "./peer.ts";

export const caddy: Peer = {
  name: "caddy",
  about: "reverse_proxy, 1024 idle upstream connections",
  speaks: allProtocols,
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
function config({ port, originPort, protocol, certificate }: PeerContext): string {
  const secure = isSecure(protocol);
  return `
{
  admin off
  auto_https off
  ${protocol === "h2c" ? "servers {\n    protocols h1 h2c\n  }" : ""}
  ${secure ? `default_sni ${serverName}` : ""}
}
${secure ? "https" : "http"}://:${port} {
  bind 127.0.0.1
  ${secure ? `tls ${certificate.cert} ${certificate.key}` : ""}
  reverse_proxy 127.0.0.1:${originPort} {
    transport http {
      keepalive_idle_conns_per_host 1024
    }
  }
}
`;
}
