// The gRPC Query API (thanos.Query): whole queries of a querier above this one, answered by the same workers as HTTP's.
// Meaning: Thanos pkg/api/query/grpc.go, but a query that fails ends with an error, also with partial response.
// Owns the reading of requests; the answer's frames are made in a worker.
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js'
import { MnemoError } from '../../lib/kit/errors.ts'
import type { GrpcService } from '../../lib/kit/grpc.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { valueType } from '../../lib/promql/parse/ast.ts'
import { parseExpr } from '../../lib/promql/parse/parser.ts'
import type { ParseOptions } from '../../lib/promql/parse/token-stream.ts'
import {
  decodeQueryRangeRequest,
  decodeQueryRequest,
  encodeQueryWarning,
  type GrpcQuery,
  queryMethods,
} from '../../lib/storeapi/query-messages.ts'
import { serveFrames } from '../../lib/storeapi/server.ts'
import type { QueryRequest } from './api/backend.ts'
import type { EncodedFrames } from './jobs.ts'

export type StreamCall = ServerWritableStream<Buffer, Buffer>
export type UnaryCall = ServerUnaryCall<Buffer, Buffer>
export type Reply = sendUnaryData<Buffer>

export interface GrpcQueryOptions {
  readonly backend: {
    queryFrames(request: QueryRequest, batchSize: number, signal: AbortSignal): Promise<EncodedFrames>
  }
  /** Where a request names none. */
  readonly replicaLabels: readonly string[]
  /** Syntax behind feature flags; none unless told. */
  readonly syntax?: ParseOptions
  readonly logger: Logger
}

/** The service, for startGrpc(). */
export function queryService(options: GrpcQueryOptions): GrpcService {
  const { logger } = options
  return {
    definition: queryMethods,
    implementation: {
      Query: (call: StreamCall) =>
        void serveFrames(call, (bytes, signal) => answer(options, instant(decodeQueryRequest(bytes)), signal), {
          logger,
        }),
      QueryRange: (call: StreamCall) =>
        void serveFrames(call, (bytes, signal) => answer(options, decodeQueryRangeRequest(bytes), signal), { logger }),
    },
  }
}

async function* answer(
  { backend, replicaLabels, syntax }: GrpcQueryOptions,
  asked: GrpcQuery,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { query, startMs, endMs, stepMs, timeoutMs, lookbackMs, maxSourceResolutionMs, partialResponse } = asked
  checkQuery(asked, syntax)
  const chosen = asked.replicaLabels.length > 0 ? asked.replicaLabels : replicaLabels
  const request: QueryRequest = {
    scope: {
      replicaLabels: asked.isDeduplicated ? chosen : [],
      partialResponse,
      storeMatchers: asked.storeMatchers,
    },
    query,
    startMs,
    endMs,
    stepMs,
    ...(timeoutMs > 0 && { timeoutMs }),
    ...(lookbackMs > 0 && { lookbackMs }),
    maxSourceResolutionMs,
    limit: 0,
  }
  const { frames, warnings } = await backend.queryFrames(request, asked.batchSize, signal)
  for (const warning of warnings) yield encodeQueryWarning(warning)
  yield* frames
}

/** No time is now. */
function instant(asked: GrpcQuery): GrpcQuery {
  if (asked.startMs !== 0) return asked
  const nowMs = Date.now()
  return { ...asked, startMs: nowMs, endMs: nowMs }
}

function checkQuery({ query, stepMs }: GrpcQuery, syntax: ParseOptions | undefined): void {
  if (query === '')
    throw new MnemoError('unsupported', 'cannot answer query: got no text, want PromQL and not a plan alone')
  const type = valueType(parseExpr(query, syntax))
  if (type === 'string' || (stepMs > 0 && type === 'matrix'))
    throw new MnemoError('bad_data', `cannot answer query: got an expression of type ${type}, want a scalar or vector`)
}
