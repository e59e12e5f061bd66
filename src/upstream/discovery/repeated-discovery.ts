import type { Discovery, DiscoveryListener } from "./discovery.ts";
import { type DiscoveryMeans, Repeater } from "./repeater.ts";
import { ServerNews } from "./server-news.ts";

/** A discovery that looks again and again, and tells what is new. */
export abstract class RepeatedDiscovery implements Discovery {
  protected readonly news: ServerNews;
  protected readonly repeater: Repeater;

  /** @param where the file, name or URL that all comes from, for people */
  constructor(where: string, means: DiscoveryMeans) {
    this.news = new ServerNews(where);
    this.repeater = new Repeater(means, (signal) => this.look(signal));
  }

  start(listener: DiscoveryListener): Promise<void> {
    this.news.listen(listener);
    return this.repeater.start();
  }

  stop(): void {
    this.news.stop();
    this.repeater.stop();
  }

  /** One look, as a `Round` of a repeater. */
  protected abstract look(signal: AbortSignal): Promise<number>;
}
