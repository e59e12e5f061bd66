import type { UpstreamSettings } from "../../filters/settings.ts";
import type { RetryPolicy } from "../../proxy/retries.ts";
import type { OutlierSettings, RetryBudget } from "../../upstream/group-settings.ts";
import type { PeerOptions } from "../../upstream/peer.ts";

/**
 * An upstream at the places at which people write it down. The zone is that of the document, and where servers are written
 * down, how many there may be follows from them.
 */
export function plainUpstream(upstream: UpstreamSettings): object {
  const { peer, mostServers, zone, policy, hashBy, panic, checks, outliers, ...others } = upstream;
  const { limits, serverLimits, retries, retryBudget, ...rest } = others;
  return {
    ...rest,
    ...(upstream.discovery === null ? {} : { maxServers: mostServers }),
    ...{ balance: hashBy.length === 0 ? policy : { policy, by: hashBy }, panicThreshold: panic },
    ...{ healthCheck: checks, passiveHealth: outliers && plainOutliers(outliers) },
    limits: { ...limits, perServer: serverLimits },
    retry: plainRetries(retries, retryBudget),
    ...plainPeer(peer),
  };
}

function plainOutliers(outliers: OutlierSettings): object {
  const { consecutive, ratio, longestEjection, mostEjected, ...rest } = outliers;
  return {
    ...{ ...rest, consecutiveFailures: consecutive, failureRatio: ratio },
    ...{ maxEjection: longestEjection, maxEjected: mostEjected },
  };
}

function plainRetries(
  { maxTries, longestBackoff, ...policy }: RetryPolicy,
  budget: RetryBudget | null,
): object {
  return { attempts: maxTries, ...policy, maxBackoff: longestBackoff, budget };
}

function plainPeer(peer: PeerOptions): object {
  const { connectTimeout, firstByteTimeout, readTimeout, writeTimeout, ...others } = peer;
  const { keepAlive, pingInterval, proxy, ...rest } = others;
  return {
    timeouts: {
      ...{ connect: connectTimeout, firstByte: firstByteTimeout, read: readTimeout, write: writeTimeout },
    },
    ...{ ...rest, tcpKeepalive: keepAlive, h2PingInterval: pingInterval, connectProxy: proxy },
  };
}
