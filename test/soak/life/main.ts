// The life of a process under load: node test/soak/life/main.ts --seconds 300 --rate 10000 --reloads 100 --upgrades 10
//
// Clients ask over HTTP/1 and HTTP/2, with TLS and without, on connections that are kept and on new ones, and talk over WebSockets.
// Meanwhile its configuration, its program, a filter, its certificate and its plugin change and are reloaded, are rolled back, or are broken; and other
// processes take its place. Nobody may notice. `make -C native` builds the plugin.
//
// Says what happens on stderr and what came of it on stdout; exits with 1 when anything was not as it should be.

import { parseArgs } from "node:util";
import { runLife } from "./run.ts";
import { judge, show } from "./verdict.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    rate: { type: "string", default: "10000" },
    reloads: { type: "string", default: "100" },
    upgrades: { type: "string", default: "10" },
    threads: { type: "string", default: "2" },
  },
});

const report = await runLife({
  seconds: Number(values.seconds),
  rate: Number(values.rate),
  reloads: Number(values.reloads),
  upgrades: Number(values.upgrades),
  threads: Number(values.threads),
  onLine: (line) => process.stderr.write(`${new Date().toISOString().slice(11, 23)} ${line}\n`),
});
const found = judge(report);
process.stdout.write(show(report, found));
process.exitCode = found.length === 0 ? 0 : 1;
