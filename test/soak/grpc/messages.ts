import {
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
} from "@grpc/grpc-js";

export const MESSAGE_SIZE: number = 64 * 1024;
/** Messages between two pauses of a slow reader, and how long these are. */
const BURST = 128;
const PAUSE = 50;

const bytes = (message: Buffer): Buffer => message;

/** Calls whose messages are numbered. */
function method(name: string, requestStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    ...{ path: `/sluice.soak.Flow/${name}`, requestStream, responseStream: true },
    ...{ requestSerialize: bytes, requestDeserialize: bytes },
    ...{ responseSerialize: bytes, responseDeserialize: bytes },
  };
}

type Method = MethodDefinition<Buffer, Buffer>;

export const DOWN: Method = method("Down", false);
export const UP: Method = method("Up", true);
export const BOTH: Method = method("Both", true);

/** The side of a call that is written to. */
interface Sending {
  write(message: Buffer): boolean;
  once(event: "drain", listener: () => void): unknown;
}

/** The side of a call that is read from. */
interface Reading {
  on(event: "data", listener: (message: Buffer) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** Writes numbered messages no faster than they are taken. */
export async function writeAll(call: Sending, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const message = Buffer.alloc(MESSAGE_SIZE, i);
    message.writeUInt32BE(i);
    if (!call.write(message)) await new Promise<void>((resolve) => call.once("drain", resolve));
  }
}

/** Reads to the end, with pauses if `isSlow`. @returns how many messages came, each whole and in its place */
export function readAll(call: Reading, isSlow: boolean): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let count = 0;
  call.on("data", (message) => {
    const isRight =
      message.length === MESSAGE_SIZE && message.readUInt32BE() === count && message.at(-1) === count % 256;
    if (!isRight) reject(new Error(`message ${count} is wrong`));
    count++;
    if (!isSlow || count % BURST !== 0) return;
    call.pause();
    setTimeout(() => call.resume(), PAUSE);
  });
  call.on("end", () => resolve(count));
  call.on("error", reject);
  return promise;
}

/** A server that sends as many messages as it is asked for, reads slowly, and sends back what it reads. */
export async function startServer(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = new Server();
  server.addService(
    { down: DOWN, up: UP, both: BOTH },
    {
      down: async (call: ServerWritableStream<Buffer, Buffer>) => {
        await writeAll(call, call.request.readUInt32BE());
        call.end();
      },
      up: async (call: ServerDuplexStream<Buffer, Buffer>) => {
        const count = Buffer.alloc(4);
        count.writeUInt32BE(await readAll(call, true));
        call.write(count);
        call.end();
      },
      both: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on("data", (message) => {
          if (call.write(message)) return;
          call.pause();
          call.once("drain", () => call.resume());
        });
        call.on("end", () => call.end());
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { server, port };
}
