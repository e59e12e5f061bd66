/** A request to the admin API. Its target was split and its path decoded. */
export interface ApiRequest {
  readonly method: string;
  /** Decoded: `/proxies/a b`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names; "" for what wasn't sent, repeated ones joined with commas. */
  header(name: string): string;
  /** The whole body; empty when there is none. @throws ApiFault when it is too long or comes too slowly */
  body(): Promise<Uint8Array>;
}

/** An answer of the admin API. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Text, or who writes on for as long as the client listens. */
  readonly body: string | Streamer;
}

/** Writes to a client until the function that it returns is called: the client is gone. */
export type Streamer = (sink: StreamSink) => () => void;

/** The way to a client that listens. */
export interface StreamSink {
  write(text: string): void;
  /** Bytes that were written and haven't left. */
  readonly pending: number;
  /** Ends the answer. */
  end(): void;
}

/** Answers a request, or leaves it to others with null. */
export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse | null>;

/** A request that can't be carried out: its status and what the client is told, "" for nothing more. */
export class ApiFault extends Error {
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ApiFault";
    this.status = status;
  }
}

export function answer(
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): ApiResponse {
  return { status, headers: { "Content-Type": type, ...headers }, body };
}

/** @param json is JSON already */
export function jsonAnswer(status: number, json: string): ApiResponse {
  return answer(status, "application/json", json);
}

export function emptyAnswer(status: number, headers: Readonly<Record<string, string>> = {}): ApiResponse {
  return { status, headers, body: "" };
}

/** An error for people: a line of text that a browser doesn't take for anything else. */
export function textAnswer(
  status: number,
  line: string,
  headers: Readonly<Record<string, string>> = {},
): ApiResponse {
  return answer(status, "text/plain; charset=utf-8", `${line}\n`, {
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
}
