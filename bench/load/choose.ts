import type { HttpWorkload } from "../workloads.ts";
import { h2load } from "./h2load.ts";
import { isHttp2, type LoadGenerator } from "./load.ts";
import { ownGenerator } from "./own.ts";

/**
 * Who makes the load of a workload: h2load that of HTTP/2, and our own generator TLS handshakes, since only it can be
 * told whether to take up sessions again.
 *
 * @param usual the one that makes all other load
 */
export function generatorFor(
  { protocol, handshakes }: Pick<HttpWorkload, "protocol" | "handshakes">,
  usual: LoadGenerator,
): LoadGenerator {
  if (isHttp2(protocol)) return h2load;
  return handshakes === undefined ? usual : ownGenerator;
}
