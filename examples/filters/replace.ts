// Puts another word in the place of one, in texts of any length, while they come.
import { StringDecoder } from "node:string_decoder";
import { defineFilter } from "sluice";

interface Words {
  readonly find: string;
  readonly replace: string;
}

function readWords(config: unknown): Words {
  const { find, replace } = (config ?? {}) as Partial<Words>;
  if (typeof find !== "string" || find === "") throw new Error("find is missing: the word that is to go");
  return { find, replace: replace ?? "" };
}

export default defineFilter(readWords, ({ find, replace }) =>
  // Once more, for TypeScript to know the context's type in the phases behind `newContext`.
  defineFilter({
    newContext: () => ({ decoder: null as StringDecoder | null, rest: "" }),

    upstreamRequestFilter(_session, request) {
      // Compressed text is no text, and what is a part of the one isn't a part of the other.
      for (const name of ["accept-encoding", "range", "if-range"]) request.headers.delete(name);
    },

    responseFilter({ context }, { headers }) {
      if (headers.get("content-type")?.startsWith("text/") !== true || headers.has("content-encoding"))
        return;
      context.decoder = new StringDecoder();
      // The new body has another length, which isn't known before its end. And it is another body.
      for (const name of ["content-length", "etag", "accept-ranges"]) headers.delete(name);
    },

    responseBodyFilter({ context }, chunk, endOfStream) {
      const { decoder } = context;
      if (decoder === null) return undefined;
      let text = context.rest + (chunk === null ? decoder.end() : decoder.write(chunk));
      let sent = "";
      for (let at = text.indexOf(find); at !== -1; at = text.indexOf(find)) {
        sent += text.slice(0, at) + replace;
        text = text.slice(at + find.length);
      }
      // Half of the word may have come by now.
      const held = endOfStream ? 0 : Math.min(find.length - 1, text.length);
      context.rest = text.slice(text.length - held);
      return sent + text.slice(0, text.length - held);
    },
  }),
);
