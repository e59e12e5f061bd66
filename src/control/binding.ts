/** A socket that was bound here, or by the process before this one. */
export interface KeptSocket {
  fd(): number;
  close(): void;
}

/** A bound address: one socket for each thread on TCP, where the kernel spreads connections; one for all otherwise. */
export interface Binding {
  readonly address: string;
  /** More than there are threads, once there were more threads. */
  readonly sockets: KeptSocket[];
  /** A socket's file, which goes with the socket. */
  readonly path: string | null;
  /** True when somebody else has bound them, and keeps them when we are gone. */
  readonly isForeign: boolean;
}
