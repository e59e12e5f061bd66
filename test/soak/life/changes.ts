import type { ProxyProcess } from "./proxy-process.ts";
import type { Stage } from "./stage.ts";

/** One thing that is done to the process. Rejects when it comes out otherwise than it should. */
export type Act = (stage: Stage, proxy: ProxyProcess) => Promise<void>;

/** What is refused changes nothing, and is mended before the next. */
function broken(spoil: (stage: Stage) => Promise<void>, mend: (stage: Stage) => Promise<void>): Act {
  return async (stage, proxy) => {
    await spoil(stage);
    await proxy.expectReload("/reload", 409);
    await mend(stage);
  };
}

function changed(change: (stage: Stage) => Promise<void>): Act {
  return async (stage, proxy) => {
    await change(stage);
    await proxy.expectReload("/reload", 200);
    await proxy.expectCode(stage);
  };
}

const asBefore = (stage: Stage): Promise<void> => stage.changeConfiguration();

/** In turn. What is right and what is wrong come one after the other. */
export const RELOADS: readonly (readonly [name: string, act: Act])[] = [
  ["configuration", changed((stage) => stage.changeConfiguration())],
  ["code", changed((stage) => stage.changeCode())],
  ["broken configuration", broken((stage) => stage.breakConfiguration(), asBefore)],
  ["certificate", changed((stage) => stage.changeCertificate())],
  ["plugin", changed((stage) => stage.changePlugin())],
  ["filter", changed((stage) => stage.changeFilter())],
  [
    "broken code",
    broken(
      (stage) => stage.breakCode(),
      (stage) => stage.mendCode(),
    ),
  ],
  [
    "broken filter",
    broken(
      (stage) => stage.breakFilter(),
      (stage) => stage.mendFilter(),
    ),
  ],
  ["configuration", changed((stage) => stage.changeConfiguration())],
  ["rollback", (_, proxy) => proxy.expectReload("/rollback", 200)],
  ["missing plugin", broken((stage) => stage.changeConfiguration({ plugin: "none.so" }), asBefore)],
  ["missing certificate", broken((stage) => stage.changeConfiguration({ cert: "none.pem" }), asBefore)],
];

const RELOADS_AMID = 10;

/** Every third of these is refused. */
export const UPGRADES: readonly (readonly [name: string, act: Act])[] = [
  ["upgrade", (_, proxy) => proxy.expectUpgrade("upgraded")],
  [
    "upgrade amid reloads",
    async (stage, proxy) => {
      const upgrade = proxy.expectUpgrade("upgraded");
      // Whoever is asked may be on his way out, and may say so.
      for (let i = 0; i < RELOADS_AMID; i++) {
        await stage.changeConfiguration();
        await proxy.tryReload();
      }
      await upgrade;
      await proxy.expectReload("/reload", 200);
    },
  ],
  [
    "broken upgrade",
    async (stage, proxy) => {
      await stage.breakConfiguration();
      await proxy.expectUpgrade("refused");
      await stage.changeConfiguration();
    },
  ],
];
