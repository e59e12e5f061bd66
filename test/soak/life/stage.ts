import { copyFile, readFile, writeFile } from "node:fs/promises";
import { createAuthority } from "../../kit/certificates.ts";
import type { TemporaryDirectory } from "../../kit/files.ts";

const PLUGIN = new URL("../../../native/build/pass-through.so", import.meta.url).pathname;

/** Ports that the process is to listen on, and that of its server. */
export interface Ports {
  readonly web: number;
  readonly secure: number;
  readonly admin: number;
  readonly origin: number;
}

type Authority = Awaited<ReturnType<typeof createAuthority>>;

/** All files of the process, which come to hold something else again and again. */
export class Stage {
  readonly #folder: TemporaryDirectory;
  readonly #ports: Ports;
  readonly #authority: Authority;
  /** What answers are signed with: the number of the code. */
  code = 0;
  /** And the number of the filter before it. */
  filter = 0;
  #turn = 0;

  private constructor(folder: TemporaryDirectory, ports: Ports, authority: Authority) {
    this.#folder = folder;
    this.#ports = ports;
    this.#authority = authority;
  }

  static async open(folder: TemporaryDirectory, ports: Ports): Promise<Stage> {
    const stage = new Stage(folder, ports, await createAuthority());
    await folder.write("gateway.ts", gateway(ports.origin));
    await stage.changeCode();
    await stage.changeFilter();
    await stage.changeCertificate();
    await copyFile(PLUGIN, folder.join("plugin.so"));
    await stage.changeConfiguration();
    return stage;
  }

  join(name: string): string {
    return this.#folder.join(name);
  }

  async changeConfiguration(
    change: { readonly plugin?: string; readonly cert?: string } = {},
  ): Promise<void> {
    const { plugin = "plugin.so", cert = "cert.pem" } = change;
    const { web, secure, admin } = this.#ports;
    const timeouts = { keepalive: 300 + (++this.#turn % 100) };
    const configuration = {
      ...{ admin, pid_file: "pid", grace_period_seconds: 5, log_level: "warn", error_log: "error.log" },
      plugins: { pass: plugin },
      filters: { sign: { module: "sign.ts", config: this.#turn } },
      listeners: [
        { name: "web", bind: `127.0.0.1:${web}`, timeouts, plugins: ["pass"], filters: ["sign"] },
        { name: "secure", bind: `127.0.0.1:${secure}`, timeouts, tls: { cert, key: "key.pem" } },
      ],
    };
    await this.#folder.write("sluice.yaml", JSON.stringify(configuration));
  }

  async breakConfiguration(): Promise<void> {
    await this.#folder.write("sluice.yaml", "listeners:\n  - { bin: 1 }\n");
  }

  async changeCode(): Promise<void> {
    await this.#folder.write("code.ts", `export const code = "${++this.code}";\n`);
  }

  async breakCode(): Promise<void> {
    await this.#folder.write("code.ts", "export const code = ;\n");
  }

  async mendCode(): Promise<void> {
    await this.#folder.write("code.ts", `export const code = "${this.code}";\n`);
  }

  async changeFilter(): Promise<void> {
    this.filter++;
    await this.mendFilter();
  }

  async breakFilter(): Promise<void> {
    await this.#folder.write("sign.ts", "export default { responseFiltr() {} };\n");
  }

  async mendFilter(): Promise<void> {
    await this.#folder.write("sign.ts", signature(this.filter));
  }

  /** The key stays: both files don't change at one moment. */
  async changeCertificate(): Promise<void> {
    const { cert, key } = await this.#authority.issue();
    await this.#folder.write("key.pem", key);
    await this.#folder.write("cert.pem", cert);
  }

  /** As if it was built anew: behind its end a library may hold anything. */
  async changePlugin(): Promise<void> {
    const bytes = await readFile(PLUGIN);
    await writeFile(this.join("plugin.so"), Buffer.concat([bytes, Buffer.from(`${++this.#turn}`)]));
  }
}

/** Answers go through it as heads and bodies, and stay what they are. */
function signature(number: number): string {
  return `
import { defineFilter } from "sluice";
export default defineFilter((turn: unknown) => ({
  newContext: () => ({ bytes: 0 }),
  responseFilter(_session, { headers }) {
    headers.set("x-filter", "${number}");
    headers.set("x-turn", String(turn));
  },
  responseBodyFilter({ context }, chunk) {
    context.bytes += chunk?.length ?? 0;
  },
}));
`;
}

function gateway(origin: number): string {
  return `
import { defineProxy, HttpPeer } from "sluice";
import { code } from "./code.ts";
const peer = new HttpPeer("127.0.0.1:${origin}");
export default defineProxy({
  upstreamPeer: () => peer,
  responseFilter(_session, response) {
    response.headers.set("x-code", code);
  },
});
`;
}
