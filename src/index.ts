/** The public programming interface of Sluice: `import { defineProxy, HttpPeer } from "sluice"`. */

export type { Alarm } from "./base/alarms.ts";
export { type ErrorCode, type ErrorSource, ProxyError, type RetryRule } from "./base/errors.ts";
export type { Random } from "./base/random.ts";
export type { CacheCountName } from "./cache/cache-counts.ts";
export type { CachePolicy, HeuristicLifetime } from "./cache/rules/policy.ts";
export type { QueryRule } from "./cache/rules/query-rule.ts";
export type { StoredAs } from "./cache/rules/verdict.ts";
export {
  type CacheEntry,
  type CacheKey,
  type CacheStore,
  EntryState,
  type EntryStateCode,
  type EntryWriter,
  type Piece,
  type StoreStats,
  type WriterOwner,
} from "./cache/store.ts";
export {
  type AttributeSpec,
  type AttributeSpecs,
  type Attributes,
  type AttributesOf,
  type AttributeValue,
  bool,
  float,
  int,
} from "./chaos/attributes.ts";
export { HoldingToxic, type Waiting } from "./chaos/holding-toxic.ts";
export type { ToxicRegistry } from "./chaos/registry.ts";
export {
  type Admission,
  type Direction,
  defineToxic,
  type LinkKind,
  type Outlet,
  Toxic,
  type ToxicSite,
  type ToxicType,
} from "./chaos/toxic.ts";
export { toxics } from "./chaos/toxics/index.ts";
export type { Coding, CompressSettings, DecompressSettings } from "./filters/coding/coding-settings.ts";
export { ContentCoding, type ContentCodingOptions } from "./filters/coding/content-coding.ts";
export {
  type CheckedFilter,
  type CheckFailure,
  type CheckIssue,
  defineFilter,
  type FilterCheck,
  type FilterMaker,
  type FilterPhases,
  type FilterSite,
  type StandardCheck,
} from "./filters/modules/filter-module.ts";
export { type BodyLength, RequestHead, ResponseHead } from "./http/heads.ts";
export { type HeadersInit, HttpHeaders } from "./http/http-headers.ts";
export type { Malformation } from "./http/streams.ts";
export type { ServerSettings } from "./http1/server-options.ts";
export type { FloodLimit, FloodLimits } from "./http2/flood-limits.ts";
export type { Http2Settings } from "./http2/server-options.ts";
export { Estimator, type EstimatorOptions } from "./limits/estimators/estimator.ts";
export { Inflight, type InflightGuard } from "./limits/estimators/inflight.ts";
export { Rate, type RateOptions, type RateSample } from "./limits/estimators/rate.ts";
export type { Decision } from "./limits/limiter.ts";
export type { LimitAlgorithm } from "./limits/limiter-settings.ts";
export { RateLimiter, type RateLimiterOptions } from "./limits/rate-limiter.ts";
export type { CertificateSource } from "./net/tls/certificate-files.ts";
export type { CertificateCallback, OwnCertificate } from "./net/tls/certificate-store.ts";
export type { AlternativeName, PeerCertificate, TlsDigest } from "./net/tls/digest.ts";
export type { TlsPassthrough } from "./net/tls/listener-settings.ts";
export {
  type LoadedPlugin,
  type LoadedPluginConnection,
  type LoadPluginOptions,
  loadPlugin,
} from "./plugins/load-plugin.ts";
export { type HeadVerdict, PluginError } from "./plugins/plugin.ts";
export { type BackgroundServiceOptions, backgroundService } from "./proxy/background-service.ts";
export type { CacheUse, CacheUseOptions, PurgeOrder } from "./proxy/caching/cache-use.ts";
export {
  type CacheOptions,
  type CacheStats,
  type MemoryCacheOptions,
  memoryCache,
  type ResponseCache,
  storeCache,
} from "./proxy/caching/response-cache.ts";
export type { CachePhase, SessionCache } from "./proxy/caching/session-cache.ts";
export type { StoredResponse } from "./proxy/caching/stored-response.ts";
export type { CertificateForwarding } from "./proxy/client-certificate.ts";
export type { ForwardingPolicy } from "./proxy/forwarding.ts";
export type { GrpcWebSettings } from "./proxy/grpc/web-cors.ts";
export {
  type ClientRequest,
  type ClientResponse,
  HttpClient,
  type HttpClientOptions,
} from "./proxy/http-client.ts";
export {
  type HttpHandler,
  type HttpHandlerServiceOptions,
  httpService,
} from "./proxy/http-handler-service.ts";
export { type HttpProxyServiceOptions, httpProxy } from "./proxy/http-proxy-service.ts";
export {
  type BodyFilter,
  type CacheHitVerdict,
  type CachePhaseName,
  type CacheVerdict,
  type DelayedBody,
  defineProxy,
  type FilteredBody,
  type MaybePromise,
  type ProxyPhases,
  type Trailers,
} from "./proxy/phases.ts";
export type { ResponseFaults } from "./proxy/response-faults.ts";
export type { RetryPolicy } from "./proxy/retries.ts";
export { type RunningServer, type ServeOptions, serve } from "./proxy/serve.ts";
export { defineServer, type ServerDefinition, type Service, type ServiceContext } from "./proxy/service.ts";
export type {
  ClientInfo,
  ConnectionInfo,
  ResponseInit,
  RetryGate,
  Session,
  Timings,
} from "./proxy/session.ts";
export {
  type TcpClientInfo,
  type TcpHandler,
  type TcpServiceOptions,
  tcpService,
} from "./proxy/tcp-service.ts";
export type { ClientCertificateOptions, TlsOptions } from "./proxy/tls/tls-options.ts";
export type { AttemptWatcher } from "./upstream/attempt-watcher.ts";
export type { Eligibility } from "./upstream/balancers/balancing-policy.ts";
export type { Discovery, DiscoveryListener } from "./upstream/discovery/discovery.ts";
export type {
  BalancingPolicyName,
  CircuitLimits,
  DiscoverySettings,
  GroupLimits,
  HealthCheckSettings,
  OutlierSettings,
  RetryBudget,
  StatusRange,
} from "./upstream/group-settings.ts";
export type {
  GroupEvent,
  GroupStatus,
  ServerOrder,
  ServerState,
  ServerStatus,
} from "./upstream/group-status.ts";
export type { ProbeResult } from "./upstream/health/probe.ts";
export { LoadBalancer } from "./upstream/load-balancer.ts";
export type {
  HealthCheckOptions,
  LoadBalancerOptions,
  OwnProbe,
  SessionLike,
} from "./upstream/load-balancer-options.ts";
export { HttpPeer, type PeerOptions } from "./upstream/peer.ts";
export type { PeerTlsOptions } from "./upstream/peer-tls.ts";
export type { PoolOptions } from "./upstream/pool.ts";
export type { Server, ServerInit } from "./upstream/server.ts";
export { type TcpConnectOptions, TcpConnector } from "./upstream/tcp-connector.ts";
