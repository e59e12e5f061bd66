import { createServer } from "node:net";
import { testProbe } from "./probe.contract.ts";
import { TcpProbe } from "./tcp-probe.ts";

testProbe("a TCP connection", {
  create: () => new TcpProbe(),
  createServer: () => createServer(),
  onlyConnects: true,
});
