import type { DiscoverySettings } from "../group-settings.ts";
import { AddressRecordFinder } from "./address-records.ts";
import type { Discovery } from "./discovery.ts";
import { FileDiscovery } from "./file-discovery.ts";
import { HttpDiscovery } from "./http-discovery.ts";
import { RecordDiscovery } from "./record-discovery.ts";
import type { DiscoveryMeans } from "./repeater.ts";
import { ServiceRecordFinder } from "./service-records.ts";

/**
 * What finds the servers of a group in the way that its settings ask for.
 * @throws RangeError or TypeError when a resolver or URL can't be read
 */
export function createDiscovery(settings: DiscoverySettings, means: DiscoveryMeans): Discovery {
  switch (settings.kind) {
    case "file":
      return new FileDiscovery(settings, means);
    case "dns":
      return new RecordDiscovery(new AddressRecordFinder(settings, means.clock), settings, means);
    case "srv":
      return new RecordDiscovery(new ServiceRecordFinder(settings, means.clock), settings, means);
    case "http":
      return new HttpDiscovery(settings, means);
  }
}
