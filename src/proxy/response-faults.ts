import type { Malformation } from "../http/streams.ts";

/** Faults of one response, whoever makes it: to see what its client makes of them. */
export interface ResponseFaults {
  /** Bytes of its body that are sent in a second, at least 1. Default: as many as the client takes. */
  readonly rate?: number;
  /** Bytes of its body after which it is broken off. Default: never. */
  readonly cutAfter?: number;
  /** In which way it breaks HTTP's rules. Default: in none. */
  readonly malformed?: Malformation;
}
