import { connectFrames, type FrameClient } from "../kit/http2-frame-client.ts";
import { type ProxyOptions, type ProxyUnderTest, startProxy } from "./proxy.ts";

/** A proxy, and a client that says what it likes in frames of HTTP/2. */
export interface FrameStage extends AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly client: FrameClient;
}

export async function startFrameStage(options: ProxyOptions<undefined>): Promise<FrameStage> {
  await using begun = new AsyncDisposableStack();
  const proxy = begun.use(await startProxy(options));
  const client = begun.use(await connectFrames(proxy.port));
  const all = begun.move();
  return { proxy, client, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
