import { Http2Error } from "./error-codes.ts";
import { DEFAULT_FRAME_SIZE, LARGEST_FRAME_SIZE, MAX_31_BITS } from "./frames.ts";

/** Ids of settings (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1). */
export const SettingId = {
  HeaderTableSize: 0x1,
  EnablePush: 0x2,
  MaxConcurrentStreams: 0x3,
  InitialWindowSize: 0x4,
  MaxFrameSize: 0x5,
  MaxHeaderListSize: 0x6,
  EnableConnectProtocol: 0x8,
  NoRfc7540Priorities: 0x9,
} as const;

export const DEFAULT_TABLE_SIZE = 4096;
const DEFAULT_WINDOW = 65_535;

/** What we tell a peer about ourselves. */
export interface LocalSettings {
  /** Bytes of the table that the peer's encoder may use. */
  readonly headerTableSize: number;
  /** Streams that the peer may have open at once. */
  readonly maxConcurrentStreams: number;
  readonly initialWindowSize: number;
  readonly maxFrameSize: number;
  /** Bytes of a decoded header list, with 32 for each field (RFC 9113 §6.5.2). */
  readonly maxHeaderListSize: number;
  /** Servers only: streams may become tunnels for WebSocket and others (RFC 8441). */
  readonly enableConnectProtocol: boolean;
}

export const DEFAULT_LOCAL_SETTINGS: LocalSettings = {
  headerTableSize: DEFAULT_TABLE_SIZE,
  maxConcurrentStreams: 128,
  initialWindowSize: DEFAULT_WINDOW,
  maxFrameSize: DEFAULT_FRAME_SIZE,
  maxHeaderListSize: 64 * 1024,
  enableConnectProtocol: false,
};

/**
 * What our first SETTINGS frame says: whatever differs from what a peer takes for granted. A client says that it takes no
 * pushed responses; a server says that it doesn't look at the priorities of RFC 7540 (RFC 9218 §2.1).
 */
export function toSettingList(
  role: "server" | "client",
  settings: LocalSettings,
): [id: number, value: number][] {
  const list: [number, number][] = [];
  if (role === "client") list.push([SettingId.EnablePush, 0]);
  if (settings.headerTableSize !== DEFAULT_TABLE_SIZE) {
    list.push([SettingId.HeaderTableSize, settings.headerTableSize]);
  }
  if (role === "server") list.push([SettingId.MaxConcurrentStreams, settings.maxConcurrentStreams]);
  if (settings.initialWindowSize !== DEFAULT_WINDOW) {
    list.push([SettingId.InitialWindowSize, settings.initialWindowSize]);
  }
  if (settings.maxFrameSize !== DEFAULT_FRAME_SIZE)
    list.push([SettingId.MaxFrameSize, settings.maxFrameSize]);
  list.push([SettingId.MaxHeaderListSize, settings.maxHeaderListSize]);
  if (role === "server") {
    if (settings.enableConnectProtocol) list.push([SettingId.EnableConnectProtocol, 1]);
    list.push([SettingId.NoRfc7540Priorities, 1]);
  }
  return list;
}

/** What the peer told us, and until then what is taken for granted (RFC 9113 §6.5.2). */
export class PeerSettings {
  headerTableSize: number = DEFAULT_TABLE_SIZE;
  /** Pushed responses are never sent from here; kept because a server must not turn it on. */
  enablePush = true;
  /** Streams that we may have open at once. */
  maxConcurrentStreams: number = Number.POSITIVE_INFINITY;
  initialWindowSize: number = DEFAULT_WINDOW;
  maxFrameSize: number = DEFAULT_FRAME_SIZE;
  maxHeaderListSize: number = Number.POSITIVE_INFINITY;
  enableConnectProtocol = false;
  noRfc7540Priorities = false;
  readonly #peerIsServer: boolean;

  /** @param role ours */
  constructor(role: "server" | "client") {
    this.#peerIsServer = role === "client";
  }

  /**
   * Takes one setting. What depends on it (the windows of streams, the encoder's table) is the caller's.
   * @returns the connection error that the value is, `NoError` if it is none
   */
  apply(id: number, value: number): Http2Error {
    switch (id) {
      case SettingId.HeaderTableSize:
        this.headerTableSize = value;
        return Http2Error.NoError;
      case SettingId.MaxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return Http2Error.NoError;
      case SettingId.MaxHeaderListSize:
        this.maxHeaderListSize = value;
        return Http2Error.NoError;
      case SettingId.InitialWindowSize:
        if (value > MAX_31_BITS) return Http2Error.FlowControlError;
        this.initialWindowSize = value;
        return Http2Error.NoError;
      case SettingId.MaxFrameSize:
        if (value < DEFAULT_FRAME_SIZE || value > LARGEST_FRAME_SIZE) return Http2Error.ProtocolError;
        this.maxFrameSize = value;
        return Http2Error.NoError;
      default:
        return this.#applySwitch(id, value);
    }
  }

  /** Those that are 0 or 1; unknown ones are ignored (§6.5.2). */
  #applySwitch(id: number, value: number): Http2Error {
    const isKnown =
      id === SettingId.EnablePush ||
      id === SettingId.EnableConnectProtocol ||
      id === SettingId.NoRfc7540Priorities;
    if (!isKnown) return Http2Error.NoError;
    if (value > 1) return Http2Error.ProtocolError;
    const isOn = value === 1;
    if (id === SettingId.EnablePush) {
      if (isOn && this.#peerIsServer) return Http2Error.ProtocolError;
      this.enablePush = isOn;
    } else if (id === SettingId.EnableConnectProtocol) {
      // It can't be taken back (RFC 8441 §3): a request that relies on it may be under way.
      if (!isOn && this.enableConnectProtocol) return Http2Error.ProtocolError;
      this.enableConnectProtocol = isOn;
    } else {
      this.noRfc7540Priorities = isOn;
    }
    return Http2Error.NoError;
  }
}
