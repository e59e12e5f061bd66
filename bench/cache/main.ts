/** Measures which entries the memory store keeps, and what it costs: `npm run bench:cache`. */
import { parseArgs } from "node:util";
import { textTable } from "../report/table.ts";
import { hitRates } from "./hit-rates.ts";
import { storeCosts, storeOverhead } from "./store-costs.ts";

const usage = `Usage: npm run bench:cache -- [options]

Measures the cache's memory store: hit rates on traces that are made from a seed, at 0.1 %, 1 % and 10 % of the keys that a trace
has, beside other policies (each in a plain implementation of its paper, with exactly as many entries) and Belady's bound; then what
operations cost, and how many bytes an entry takes besides its meta and its body.

Options:
  --asks <n>    how many keys each trace asks for (default: 500000)
  --keys <n>    keys that have a popularity (default: 100000)
  --seed <text> what traces are made from (default: sluice)
  --rates       hit rates only
  --costs       costs only
  -h, --help    this text
`;

const { values } = parseArgs({
  options: {
    asks: { type: "string", default: "500000" },
    keys: { type: "string", default: "100000" },
    seed: { type: "string", default: "sluice" },
    rates: { type: "boolean", default: false },
    costs: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) process.stdout.write(usage);
else {
  if (!values.costs) {
    const rates = hitRates({ asks: Number(values.asks), keys: Number(values.keys), seed: values.seed });
    process.stdout.write(`Hits in percent of what is asked for\n\n${textTable(rates)}\n\n`);
  }
  if (!values.rates) {
    process.stdout.write(`Processor time in one thread\n\n${textTable(storeCosts())}\n\n`);
    process.stdout.write(`Bytes besides meta and body\n\n${textTable(storeOverhead())}\n`);
  }
}
