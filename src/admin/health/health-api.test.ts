import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Health } from "../../control/health.ts";
import { AdminServer } from "../http/admin-server.ts";
import { answerHealth } from "./health-api.ts";

interface Stage extends AsyncDisposable {
  readonly health: Health;
  get(path: string, method?: string, host?: string): Promise<[status: number, body: string]>;
}

/** An API with a token that the requests of this test never bring along. */
async function listen(): Promise<Stage> {
  const health = new Health(20);
  const server = new AdminServer({
    port: 0,
    token: "secret",
    handlers: [],
    openHandlers: [(request) => answerHealth(health, request)],
  });
  const address = await server.listen();
  return {
    health,
    async get(path, method = "GET") {
      const response = await fetch(`http://${address}${path}`, { method });
      return [response.status, await response.text()];
    },
    [Symbol.asyncDispose]: () => server.close(0),
  };
}

describe("health", () => {
  test("is told from the start to the end, to anybody", async () => {
    await using stage = await listen();
    const { health } = stage;
    assert.deepEqual(await stage.get("/health/ready"), [503, '{"status":"starting"}\n']);
    assert.deepEqual(await stage.get("/health/live"), [200, '{"status":"starting","threads":null}\n']);
    health.begin({ answered: () => Promise.resolve(), crashes: 1 });
    assert.deepEqual(await stage.get("/health/ready"), [200, '{"status":"ready"}\n']);
    const well = '{"status":"ready","threads":{"answer":true,"crashes":1}}\n';
    assert.deepEqual(await stage.get("/health/live"), [200, well]);
    health.phase = "draining";
    assert.deepEqual(await stage.get("/health/ready"), [503, '{"status":"draining"}\n']);
    assert.deepEqual(await stage.get("/health/ready", "HEAD"), [503, ""]);
    assert.deepEqual(await stage.get("/health/ready", "POST"), [405, ""]);
    assert.equal((await stage.get("/health/else"))[0], 401, "what else there is needs a token");
  });

  test("names threads that don't answer, and asks them once until they do", async () => {
    await using stage = await listen();
    let asked = 0;
    const silence = Promise.withResolvers<void>();
    const answered = (): Promise<void> => {
      asked++;
      return silence.promise;
    };
    stage.health.begin({ answered, crashes: 0 });
    const ill = '{"status":"ready","threads":{"answer":false,"crashes":0}}\n';
    assert.deepEqual(await stage.get("/health/live"), [200, ill]);
    assert.deepEqual(await stage.get("/health/live"), [200, ill]);
    assert.equal(asked, 1);
    silence.resolve();
    await stage.health.answered();
    assert.deepEqual(await stage.get("/health/live"), [200, ill.replace("false", "true")]);
  });
});
