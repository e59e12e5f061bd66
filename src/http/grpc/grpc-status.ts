/** How calls end, by gRPC's own numbers. */
export const GrpcStatus = {
  Ok: 0,
  Cancelled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

export type GrpcStatus = (typeof GrpcStatus)[keyof typeof GrpcStatus];

/** By number, as gRPC names them. */
export const GRPC_STATUS_NAMES: readonly string[] = Object.keys(GrpcStatus).map((name) =>
  name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(),
);

/**
 * What an HTTP status says in gRPC when it is our own answer. Clients go by a table of their own where an answer holds no
 * status of gRPC; ours differs from it where we know more than they do: a limit that is exceeded is RESOURCE_EXHAUSTED,
 * which clients don't ask again at once, as they do after UNAVAILABLE.
 */
const BY_HTTP_STATUS: ReadonlyMap<number, GrpcStatus> = new Map([
  [400, GrpcStatus.Internal],
  [401, GrpcStatus.Unauthenticated],
  [403, GrpcStatus.PermissionDenied],
  [404, GrpcStatus.Unimplemented],
  [405, GrpcStatus.Unimplemented],
  [408, GrpcStatus.DeadlineExceeded],
  [413, GrpcStatus.ResourceExhausted],
  [429, GrpcStatus.ResourceExhausted],
  [431, GrpcStatus.ResourceExhausted],
  [500, GrpcStatus.Internal],
  [501, GrpcStatus.Unimplemented],
  [502, GrpcStatus.Unavailable],
  [503, GrpcStatus.Unavailable],
  [504, GrpcStatus.DeadlineExceeded],
]);

/** What a status of gRPC says of the server that ended a call with it, in HTTP; nothing for what is its client's business. */
const AS_HTTP_STATUS: ReadonlyMap<number, number> = new Map([
  [GrpcStatus.Unknown, 500],
  [GrpcStatus.DeadlineExceeded, 504],
  [GrpcStatus.ResourceExhausted, 429],
  [GrpcStatus.Internal, 500],
  [GrpcStatus.Unavailable, 503],
  [GrpcStatus.DataLoss, 500],
]);

/** The status of HTTP that says the same of a server; null for what says nothing of it. */
export function toHttpStatus(grpcStatus: number): number | null {
  return AS_HTTP_STATUS.get(grpcStatus) ?? null;
}

/** The status of gRPC for an answer of our own. */
export function toGrpcStatus(httpStatus: number): GrpcStatus {
  return BY_HTTP_STATUS.get(httpStatus) ?? GrpcStatus.Unknown;
}
