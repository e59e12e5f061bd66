import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
} from "@grpc/grpc-js";

/** Messages are bytes: there is nothing here that would have to be generated. */
const bytes = (message: Buffer): Buffer => message;

function method(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): MethodDefinition<Buffer, Buffer> {
  return {
    ...{ path: `/sluice.test.Echo/${name}`, requestStream, responseStream },
    ...{
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  };
}

type Method = MethodDefinition<Buffer, Buffer>;

interface Methods {
  readonly unary: Method;
  readonly upload: Method;
  readonly download: Method;
  readonly talk: Method;
}

/** The service of these tests. */
const METHODS: Methods = {
  unary: method("Unary", false, false),
  upload: method("Upload", true, false),
  download: method("Download", false, true),
  talk: method("Talk", true, true),
};

/** What a call asks of the server by its metadata, besides what its kind does anyway. */
interface Wishes {
  /** `7:some%20words`: the call ends with this status at once. */
  readonly fail: string | undefined;
  /** Milliseconds before the answer. */
  readonly wait: number;
}

function wishesOf(metadata: Metadata): Wishes {
  return { fail: metadata.get("x-fail")[0]?.toString(), wait: Number(metadata.get("x-wait")[0] ?? 0) };
}

function failure(text: string): Partial<StatusObject> {
  const at = text.indexOf(":");
  const metadata = new Metadata();
  metadata.set("x-failed", "yes");
  return { code: Number(text.slice(0, at)), details: decodeURIComponent(text.slice(at + 1)), metadata };
}

/** Something that became of a call, as the server saw it. */
export interface SeenCall {
  readonly method: keyof Methods;
  readonly metadata: Metadata;
  readonly deadline: Date | number;
  /** Resolves when the server has heard that the call was given up. */
  readonly cancelled: Promise<void>;
}

interface AnyCall {
  readonly metadata: Metadata;
  getDeadline(): Date | number;
  sendMetadata(metadata: Metadata): void;
  on(event: "cancelled", listener: () => void): unknown;
}

export interface GrpcOriginOptions {
  /** Default: one of its own. It may have other services besides. */
  readonly server?: Server;
  readonly port?: number;
  /** What all calls end with at once: `14:busy`. Default: nothing. */
  readonly refuses?: string;
  /** PEM. Default: no TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** A server of gRPC that does what calls ask of it, on a port of the loopback. */
export class GrpcOrigin implements AsyncDisposable {
  readonly port: number;
  readonly seen: SeenCall[] = [];
  readonly #server: Server;
  readonly #name: string;
  readonly #refuses: string | null;
  #waiting: { readonly index: number; readonly resolve: (call: SeenCall) => void }[] = [];

  static async start(name: string = "", options: GrpcOriginOptions = {}): Promise<GrpcOrigin> {
    const server = options.server ?? new Server({ "grpc.max_receive_message_length": -1 });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${options.port ?? 0}`, credentialsOf(options), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return new GrpcOrigin(server, port, name, options.refuses ?? null);
  }

  private constructor(server: Server, port: number, name: string, refuses: string | null) {
    this.#refuses = refuses;
    this.#server = server;
    this.port = port;
    this.#name = name;
    server.addService(METHODS as unknown as ServiceDefinition, {
      unary: this.#unary,
      upload: this.#upload,
      download: this.#download,
      talk: this.#talk,
    });
  }

  /** The call that came as the `index`-th, when it has come. */
  call(index: number): Promise<SeenCall> {
    const seen = this.seen[index];
    if (seen !== undefined) return Promise.resolve(seen);
    return new Promise((resolve) => this.#waiting.push({ index, resolve }));
  }

  #note(name: keyof Methods, call: AnyCall): void {
    if (this.#refuses !== null) call.metadata.set("x-fail", this.#refuses);
    const { promise, resolve } = Promise.withResolvers<void>();
    call.on("cancelled", resolve);
    const seen = { method: name, metadata: call.metadata, deadline: call.getDeadline(), cancelled: promise };
    const index = this.seen.push(seen) - 1;
    this.#waiting = this.#waiting.filter((one) => {
      if (one.index === index) one.resolve(seen);
      return one.index !== index;
    });
    const metadata = new Metadata();
    metadata.set("x-server", this.#name);
    for (const value of call.metadata.get("x-echo-bin")) metadata.add("x-echo-bin", value);
    if (call.metadata.get("x-fail").length === 0) call.sendMetadata(metadata);
  }

  readonly #unary: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    this.#note("unary", call as unknown as AnyCall);
    const { fail, wait } = wishesOf(call.metadata);
    const trailer = new Metadata();
    trailer.set("x-trailer", "sent");
    for (const value of call.metadata.get("x-echo-bin")) trailer.add("x-trailer-bin", value);
    if (fail !== undefined) callback(failure(fail));
    else if (wait > 0) setTimeout(() => callback(null, call.request, trailer), wait).unref();
    else if (wait === 0) callback(null, call.request, trailer);
  };

  /** Answers with the number of bytes and messages. */
  readonly #upload: handleClientStreamingCall<Buffer, Buffer> = (call, callback) => {
    this.#note("upload", call as unknown as AnyCall);
    const { fail } = wishesOf(call.metadata);
    if (fail !== undefined) {
      callback(failure(fail));
      return;
    }
    let size = 0;
    let count = 0;
    call.on("data", (message: Buffer) => {
      size += message.length;
      count++;
    });
    call.on("end", () => callback(null, Buffer.from(`${count} ${size}`)));
  };

  /** The message says how many to send, of which size, and whether the call stays open after them: `3 1000 open`. */
  readonly #download: handleServerStreamingCall<Buffer, Buffer> = async (call) => {
    this.#note("download", call as unknown as AnyCall);
    const { fail } = wishesOf(call.metadata);
    // It may stand within a message of protocol buffers.
    const [, count, size, then] = /(\d+) (\d+)(?: (open))?$/.exec(call.request.toString()) ?? [];
    if (fail !== undefined) call.emit("error", failure(fail));
    else {
      for (let i = 0; i < Number(count) && !call.cancelled; i++) {
        if (!call.write(Buffer.alloc(Number(size), i)))
          await new Promise((resolve) => call.once("drain", resolve));
      }
      if (then !== "open") call.end();
    }
  };

  /** Sends every message back; `close` ends the call from here, `fail 7` with that status. */
  readonly #talk: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    this.#note("talk", call as unknown as AnyCall);
    const { fail } = wishesOf(call.metadata);
    call.on("error", () => undefined);
    if (fail !== undefined) {
      call.emit("error", failure(fail));
      return;
    }
    call.on("data", (message: Buffer) => {
      const text = message.length < 10 ? message.toString() : "";
      if (text === "close") call.end();
      else if (text.startsWith("fail ")) call.emit("error", failure(`${text.slice(5)}:failed`));
      else if (!call.write(message)) {
        call.pause();
        call.once("drain", () => call.resume());
      }
    });
    call.on("end", () => call.end());
  };

  /** Closes when calls are done: connections get GOAWAY. */
  shutDown(): Promise<void> {
    return new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
    return Promise.resolve();
  }
}

function credentialsOf({ tls }: GrpcOriginOptions): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) };
  return ServerCredentials.createSsl(null, [pair]);
}

/** How a call went, whichever way it ended. */
export interface GrpcOutcome {
  readonly message: Buffer | null;
  readonly code: number;
  readonly details: string;
  /** Of the response's head. */
  readonly metadata: Metadata | null;
  readonly trailers: Metadata;
}

export interface CallOptions {
  /** Milliseconds from now. */
  readonly timeout?: number;
}

/** A client of gRPC, over one connection. */
export class GrpcClient implements Disposable {
  readonly #client: Client;

  /** @param ca PEM: who has signed the server's certificate, for localhost; null: no TLS */
  constructor(port: number, ca: string | null = null) {
    const trust = ca === null ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca));
    this.#client = new Client(`${ca === null ? "127.0.0.1" : "localhost"}:${port}`, trust, {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.enable_retries": 0,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  unary(
    message: Buffer | string,
    fields: Readonly<Record<string, string | Buffer>> = {},
    options: CallOptions = {},
  ): Promise<GrpcOutcome> {
    const { path, requestSerialize, responseDeserialize } = METHODS.unary;
    return new Promise((resolve) => {
      let metadata: Metadata | null = null;
      let received: Buffer | null = null;
      const call = this.#client.makeUnaryRequest(
        ...([path, requestSerialize, responseDeserialize, Buffer.from(message)] as const),
        toMetadata(fields),
        deadlineOf(options),
        (_error: ServiceError | null, value?: Buffer) => {
          received = value ?? null;
        },
      );
      call.on("metadata", (head) => {
        metadata = head;
      });
      call.on("status", ({ code, details, metadata: trailers }) =>
        // The answer is told of after the status.
        setImmediate(() => resolve({ message: received, code, details, metadata, trailers })),
      );
    });
  }

  upload(
    done: (error: ServiceError | null, value?: Buffer) => void,
    fields: Readonly<Record<string, string>> = {},
    options: CallOptions = {},
  ): ClientWritableStream<Buffer> {
    const { path, requestSerialize, responseDeserialize } = METHODS.upload;
    return this.#client.makeClientStreamRequest(
      ...([path, requestSerialize, responseDeserialize] as const),
      toMetadata(fields),
      deadlineOf(options),
      done,
    );
  }

  download(
    message: string,
    fields: Readonly<Record<string, string>> = {},
    options: CallOptions = {},
  ): ClientReadableStream<Buffer> {
    const { path, requestSerialize, responseDeserialize } = METHODS.download;
    return this.#client.makeServerStreamRequest(
      ...([path, requestSerialize, responseDeserialize, Buffer.from(message)] as const),
      toMetadata(fields),
      deadlineOf(options),
    );
  }

  talk(
    fields: Readonly<Record<string, string>> = {},
    options: CallOptions = {},
  ): ClientDuplexStream<Buffer, Buffer> {
    const { path, requestSerialize, responseDeserialize } = METHODS.talk;
    return this.#client.makeBidiStreamRequest(
      ...([path, requestSerialize, responseDeserialize] as const),
      toMetadata(fields),
      deadlineOf(options),
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function deadlineOf({ timeout }: CallOptions): { deadline?: number } {
  return timeout === undefined ? {} : { deadline: Date.now() + timeout };
}

function toMetadata(fields: Readonly<Record<string, string | Buffer>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
  return metadata;
}

/** The status of a stream, when it has ended; its messages are counted meanwhile. */
export function statusOf(
  stream: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
): Promise<{ readonly status: StatusObject; readonly messages: number; readonly bytes: number }> {
  return new Promise((resolve) => {
    let messages = 0;
    let size = 0;
    stream.on("data", (message: Buffer) => {
      messages++;
      size += message.length;
    });
    stream.on("error", () => undefined);
    stream.on("status", (status: StatusObject) =>
      setImmediate(() => resolve({ status, messages, bytes: size })),
    );
  });
}
