/** Compresses what a server answers and what is answered here, but for visitors who are logged in. */
import { ContentCoding, defineProxy, HttpPeer } from "sluice";

const app = new HttpPeer(process.env["APP"] ?? "127.0.0.1:3000");
// Made once: it remembers what it has found out about clients and types.
const coding = new ContentCoding({
  compress: { codings: ["zstd", "gzip"], minSize: 512 },
  decompress: { when: "always" },
});

export default defineProxy({
  requestFilter(session) {
    // In any phase before the response, for the sessions that it is wanted for.
    if (!session.request.headers.has("authorization")) coding.use(session);
    if (session.request.path !== "/words") return;
    const headers = { "Content-Type": "text/plain" };
    return session.respond({ status: 200, headers, body: "words, words, words\n".repeat(100) });
  },

  upstreamPeer: () => app,
});
