import fastProxy from "fast-proxy";
import { origin, serve } from "./serve.ts";

const { proxy } = fastProxy({ base: origin });

serve((request, response) => proxy(request, response, request.url ?? "/", {}));
