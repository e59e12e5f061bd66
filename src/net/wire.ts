/**
 * What can be put between a transport and its socket, to do something to the bytes: both directions of it.
 *
 *     handler ──send──▶ [outgoing] ──▶ socket
 *             ◀──data── [incoming] ◀──
 */
export interface Wire {
  /** What the peer sends. */
  readonly incoming: WireDirection;
  /** What is sent to the peer. */
  readonly outgoing: WireDirection;
  /** The connection is gone: nothing that waits matters any more. */
  close(): void;
}

export interface WireDirection {
  /** True while bytes may go past it: it does nothing, and nothing that came before still waits in it. */
  readonly isClear: boolean;
  /** Bytes that wait in it. */
  readonly held: number;
  /** Takes borrowed bytes in. */
  push(bytes: Buffer, start: number, end: number): void;
  /** The sender has ended this direction; nothing follows. */
  end(): void;
  /** Whoever gets what comes through can't take more for a while. */
  pause(): void;
  resume(): void;
}
