/**
 * An HTTP service: answers requests itself.
 *
 *     sluice run examples/http-service.ts --bind 127.0.0.1:6188
 *
 *     curl http://127.0.0.1:6188/upper -d "hello"       HELLO
 *     curl http://127.0.0.1:6188/size -T movie.mkv      its size
 *     curl -N http://127.0.0.1:6188/count               a number every 100 ms
 */
import { setTimeout as delay } from "node:timers/promises";
import { httpService } from "sluice";

export default httpService({
  async handler(session) {
    const { method, path } = session.request;
    if (path === "/upper" && method === "POST") {
      // More than this is answered with 413.
      const body = await session.readBody(64 * 1024);
      return { status: 200, headers: { "Content-Type": "text/plain" }, body: body.toString().toUpperCase() };
    }
    if (path === "/size" && method === "PUT") {
      // As it comes: a body of any size takes no more memory than a piece of it.
      let size = 0;
      for await (const chunk of session.streamBody()) size += chunk.length;
      return { status: 200, body: `${size}\n` };
    }
    if (path === "/count") return { status: 200, body: count(5) };
    // No answer: 404.
    return undefined;
  },
});

/** A body that is sent as it comes. If the client leaves, nobody asks for more. */
async function* count(end: number): AsyncGenerator<string> {
  for (let i = 1; i <= end; i++) {
    yield `${i}\n`;
    await delay(100);
  }
}
