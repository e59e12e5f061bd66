import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  create,
  createFileRegistry,
  type DescMethodStreaming,
  type DescMethodUnary,
  type DescService,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type BytesValue,
  BytesValueSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { GrpcWebClientBase, MethodDescriptor, MethodType, type RpcError } from "grpc-web";
import { GrpcOrigin } from "../kit/grpc.ts";
import { FetchedXmlHttpRequest } from "../kit/xml-http-request.ts";
import { type ProxyUnderTest, startProxy } from "./proxy.ts";

let origin: GrpcOrigin;
let proxy: ProxyUnderTest;

before(async () => {
  origin = await GrpcOrigin.start("web");
  proxy = await startProxy({ origin, peer: { protocol: "h2c" }, grpcWeb: true });
});

after(async () => {
  await proxy[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** The service, described as a compiler of protocol buffers would. */
function describeService(): DescService {
  const type = ".google.protobuf.BytesValue";
  const file = create(FileDescriptorProtoSchema, {
    ...{ name: "echo.proto", package: "sluice.test", syntax: "proto3" },
    dependency: ["google/protobuf/wrappers.proto"],
    service: [
      {
        name: "Echo",
        method: [
          { name: "Unary", inputType: type, outputType: type },
          { name: "Download", inputType: type, outputType: type, serverStreaming: true },
        ],
      },
    ],
  });
  const registry = createFileRegistry(file, () => file_google_protobuf_wrappers);
  return registry.getService("sluice.test.Echo")!;
}

describe("Connect's client of gRPC-Web", () => {
  const [unary, download] = describeService().methods as unknown as [DescMethodUnary, DescMethodStreaming];
  const transport = (): Transport => createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${proxy.port}` });
  const textIn = (message: unknown): string => Buffer.from((message as BytesValue).value).toString();

  test("calls and gets its answer with head and trailers", async () => {
    const value = Buffer.alloc(100_000, "x");
    const answer = await transport().unary(unary, undefined, undefined, undefined, { value });
    assert.equal(textIn(answer.message), value.toString());
    assert.equal(answer.header.get("x-server"), "web");
    assert.equal(answer.trailer.get("x-trailer"), "sent");
  });

  test("gets a stream", async () => {
    async function* input(): AsyncGenerator<{ value: Uint8Array<ArrayBuffer> }> {
      yield { value: Buffer.from(" 30 0") };
    }
    const answer = await transport().stream(download, undefined, undefined, undefined, input());
    let count = 0;
    for await (const message of answer.message) {
      assert.equal(textIn(message), "");
      count++;
    }
    assert.equal(count, 30);
  });

  test("learns of failures and of its deadline", async () => {
    const fails = (headers: Record<string, string>, timeout?: number): Promise<unknown> =>
      transport()
        .unary(unary, undefined, timeout, headers, {})
        .then(
          () => assert.fail("it worked"),
          (error: unknown) => error,
        );
    const failed = await fails({ "x-fail": "8:too%20much" });
    assert.ok(failed instanceof ConnectError);
    assert.deepEqual([failed.code, failed.rawMessage], [Code.ResourceExhausted, "too much"]);
    assert.equal(failed.metadata.get("x-failed"), "yes");
    const late = await fails({ "x-wait": "-1" }, 100);
    assert.ok(late instanceof ConnectError);
    assert.equal(late.code, Code.DeadlineExceeded);
  });
});

for (const format of ["text", "binary"]) {
  describe(`the browser's client of gRPC-Web, in its ${format} form`, () => {
    const encoded = Buffer.from(
      toBinary(BytesValueSchema, create(BytesValueSchema, { value: Buffer.from("hello") })),
    );
    const identity = (message: Uint8Array): Uint8Array => message;
    const methodOf = (name: string, type: string): MethodDescriptor<Uint8Array, Uint8Array> =>
      new MethodDescriptor(`/sluice.test.Echo/${name}`, type, Uint8Array, Uint8Array, identity, identity);
    const client = new GrpcWebClientBase({ format });
    const host = (): string => `http://127.0.0.1:${proxy.port}`;

    before(() => {
      Object.assign(globalThis, { XMLHttpRequest: FetchedXmlHttpRequest });
    });

    after(() => {
      Reflect.deleteProperty(globalThis, "XMLHttpRequest");
    });

    test("calls and gets its answer", async () => {
      const method = methodOf("Unary", MethodType.UNARY);
      const answer = await client.unaryCall(`${host()}${method.getName()}`, encoded, {}, method);
      assert.deepEqual(Buffer.from(answer), encoded);
    });

    test("learns of failures", async () => {
      const method = methodOf("Unary", MethodType.UNARY);
      const fields = { "x-fail": "5:not%20here" };
      const failing = client.unaryCall(`${host()}${method.getName()}`, encoded, fields, method);
      await assert.rejects(failing, (error: RpcError) => error.code === 5 && error.message === "not here");
    });

    // In the binary form it knows no streams.
    if (format === "binary") return;
    test("gets a stream, message by message", async () => {
      const method = methodOf("Download", MethodType.SERVER_STREAMING);
      const command = Buffer.from("25 777");
      const stream = client.serverStreaming(`${host()}${method.getName()}`, command, {}, method);
      const sizes: number[] = [];
      const status = new Promise<number>((resolve, reject) => {
        stream.on("data", (message) => sizes.push(message.length));
        stream.on("error", reject);
        stream.on("status", ({ code }) => resolve(code));
      });
      assert.equal(await status, 0);
      assert.deepEqual(
        sizes,
        Array.from({ length: 25 }, () => 777),
      );
    });
  });
}
