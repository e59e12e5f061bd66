import assert from "node:assert/strict";
import type { RequestHead } from "../../src/http/heads.ts";
import { ResponseHead } from "../../src/http/heads.ts";
import { DEFAULT_HEAD_LIMITS, ScanOutcome } from "../../src/http1/head-limits.ts";
import { HeadScan } from "../../src/http1/head-scan.ts";
import { toRequestHead } from "../../src/http1/request-rules.ts";
import { NO_CACHE, type SessionCache } from "../../src/proxy/caching/session-cache.ts";
import { DEFAULT_RETRY_POLICY } from "../../src/proxy/retries.ts";
import { type ClientInfo, type ResponseInit, Session, type SessionEngine } from "../../src/proxy/session.ts";

export interface SessionInit {
  readonly method?: string;
  readonly target?: string;
  /** Default: `a.example`. */
  readonly host?: string;
  /** Further header lines. */
  readonly headers?: readonly string[];
  readonly client?: Partial<ClientInfo>;
}

/** A session without an engine behind it, for tests of phases. */
export interface LoneSession<C> {
  readonly session: Session<C>;
  /** What the session was answered with; null as long as it wasn't. */
  readonly answer: ResponseInit | null;
}

/** A request as the parser makes it. */
export function parseRequest(init: SessionInit = {}): RequestHead {
  const { method = "GET", target = "/", host = "a.example", headers = [] } = init;
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...headers, "", ""];
  const bytes = Buffer.from(lines.join("\r\n"), "latin1");
  const scan = new HeadScan(DEFAULT_HEAD_LIMITS);
  assert.equal(scan.scanRequest(bytes, 0, bytes.length), ScanOutcome.Complete, scan.problem);
  const head = toRequestHead(scan);
  if (typeof head === "string") throw new Error(`${head}: ${lines.join(" | ")}`);
  head.source.retain();
  return head;
}

export function createSession<C = undefined>(init: SessionInit = {}): LoneSession<C> {
  const engine = new LoneEngine(init.client);
  const session = new Session<C>(engine, parseRequest(init), DEFAULT_RETRY_POLICY);
  engine.onRespond = (response) => {
    session.response = ResponseHead.from({ status: response.status, headers: response.headers ?? [] });
  };
  return {
    session,
    get answer() {
      return engine.answer;
    },
  };
}

class LoneEngine implements SessionEngine {
  readonly client: ClientInfo;
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  readonly upstreamReused = false;
  readonly upstreamTls = null;
  readonly grpcStatus = null;
  readonly cache: SessionCache = NO_CACHE;
  readonly signal: AbortSignal = new AbortController().signal;
  answer: ResponseInit | null = null;
  onRespond: (init: ResponseInit) => void = () => {};

  constructor(client: Partial<ClientInfo> = {}) {
    const plain = { listener: "127.0.0.1:80", scheme: "http", tls: null } as const;
    this.client = { address: "192.0.2.1", port: 50_000, ...plain, ...client };
  }

  respond(init: ResponseInit): void {
    this.answer = init;
    this.onRespond(init);
  }

  readBody(): Promise<Buffer> {
    return Promise.resolve(Buffer.alloc(0));
  }

  async *streamBody(): AsyncGenerator<Buffer> {}

  closeAfterResponse(): void {}

  limitCall(): void {}

  wait(): Promise<void> {
    return Promise.resolve();
  }

  injectFaults(): void {}

  reset(): void {}

  tapBody(): void {}
}
