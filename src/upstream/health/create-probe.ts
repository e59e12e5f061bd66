import type { HealthCheckSettings } from "../group-settings.ts";
import { GrpcProbe } from "./grpc-probe.ts";
import { HttpProbe } from "./http-probe.ts";
import type { Probe } from "./probe.ts";
import { TcpProbe } from "./tcp-probe.ts";
import { TlsProbe } from "./tls-probe.ts";

/**
 * The probe that these settings ask for. It keeps nothing between runs, so one serves all servers of a group.
 * @throws SyntaxError when the body's pattern is no regular expression
 * @throws Error when OpenSSL refuses a certificate
 */
export function createProbe(settings: HealthCheckSettings): Probe {
  switch (settings.kind) {
    case "tcp":
      return new TcpProbe(settings);
    case "tls":
      return new TlsProbe(settings);
    case "http":
      return new HttpProbe(settings);
    case "grpc":
      return new GrpcProbe(settings);
  }
}
