/**
 * The HTTP client: a page that is put together of what two servers say, over connections that are kept.
 *
 *     sluice run examples/client.ts --bind 127.0.0.1:6188
 */
import { HttpClient, HttpPeer, httpService, ProxyError } from "sluice";

const client = new HttpClient();
const weather = new HttpPeer(process.env.WEATHER ?? "127.0.0.1:3000", { firstByteTimeout: 1_000 });
const news = new HttpPeer(process.env.NEWS ?? "127.0.0.1:3001", { firstByteTimeout: 1_000 });

export default httpService({
  async handler() {
    const parts = await Promise.all([fetchPart(weather, "/weather"), fetchPart(news, "/news")]);
    return { status: 200, headers: { "Content-Type": "text/plain" }, body: parts.join("") };
  },
});

async function fetchPart(peer: HttpPeer, target: string): Promise<string> {
  try {
    const response = await client.request(peer, {
      target,
      headers: { Accept: "text/plain" },
      signal: AbortSignal.timeout(2_000),
    });
    if (response.status === 200) return await response.text();
    // Nobody reads this body.
    response.cancel();
    return `${target}: status ${response.status}\n`;
  } catch (error) {
    if (error instanceof ProxyError) return `${target}: ${error.code}\n`;
    throw error;
  }
}
