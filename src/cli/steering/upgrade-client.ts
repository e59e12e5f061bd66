import * as z from "zod";
import { type ApiClient, ApiError } from "./api-client.ts";

const line = z.discriminatedUnion("event", [
  z.object({ event: z.literal("progress"), text: z.string() }),
  z.object({ event: z.literal("upgraded"), pid: z.number() }),
  z.object({ event: z.literal("refused"), message: z.string() }),
]);

/** Milliseconds beyond those that the new process has. */
const LATENESS = 10_000;

/**
 * Has another process take the place of the one behind the API; resolves with its process id. Rejects with an `ApiError`
 * in that process's words, which goes on then, or with why it couldn't be asked.
 * @param timeout seconds for the new one to get ready
 */
export async function upgradeByApi(
  client: ApiClient,
  timeout: number,
  onProgress: (text: string) => void,
): Promise<number> {
  const text = await client.request(
    "POST",
    `/upgrade?timeout=${timeout}`,
    undefined,
    timeout * 1_000 + LATENESS,
  );
  for (const json of text.trim().split("\n")) {
    const said = line.parse(JSON.parse(json));
    if (said.event === "upgraded") return said.pid;
    if (said.event === "refused") throw new ApiError(200, said.message);
    onProgress(said.text);
  }
  throw new ApiError(0, `${client.url} ended the answer before it said what came of the upgrade`);
}
