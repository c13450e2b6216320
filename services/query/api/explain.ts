// How a query is run: /api/v1/query_explain and query_range_explain show its plan; with analyze=true they run it, and each operator
// tells its time, series and samples, each selector what every store gave it.
// Specification: Thanos's API (pkg/api/query/v1.go, ExplainOutputNode and queryTelemetry); `series` of an operator is ours.
// Owns the JSON of both.
import { planOf } from '../../../lib/promql/exec/engine.ts'
import type { OperatorAnalysis } from '../../../lib/promql/exec/result.ts'
import { parseExpr } from '../../../lib/promql/parse/parser.ts'
import type { ParseOptions } from '../../../lib/promql/parse/token-stream.ts'
import { type Explanation, explainPlan } from '../../../lib/promql/plan/explain.ts'
import type { StoreRead } from '../../../lib/promql/queryable.ts'
import type { QueryBackend, QueryRequest } from './backend.ts'
import type { Params } from './params.ts'
import type { Answer } from './reply.ts'

export interface ExplainCall {
  readonly backend: QueryBackend
  readonly request: QueryRequest
  readonly params: Params
  readonly syntax: ParseOptions | undefined
  readonly signal: AbortSignal
}

/** Whether a request wants its query analysed. */
export function wantsAnalysis(params: Params): boolean {
  return ['true', '1'].includes(params.get('analyze'))
}

/** The plan, or what the operators of the query did. Throws as the query itself would. */
export async function answerExplain({ backend, request, params, syntax, signal }: ExplainCall): Promise<Answer> {
  if (!wantsAnalysis(params)) return { data: JSON.stringify(explain(request, syntax)) }
  const { analysis, warnings, infos } = await backend.query({ ...request, analyze: true }, signal)
  return { data: analysis ?? 'null', warnings, infos }
}

function explain(request: QueryRequest, syntax: ParseOptions | undefined): Explanation {
  return explainPlan(planOf({ ...request, expr: parseExpr(request.query, syntax) }))
}

/** JSON of an analysis, as `analysis` of a query's data, too. */
export function encodeAnalysis(analysis: OperatorAnalysis): string {
  return JSON.stringify(describe(analysis))
}

interface Telemetry {
  readonly name: string
  readonly executionTime: string
  readonly series: number
  readonly totalSamples: number
  readonly fanout?: readonly object[]
  readonly children?: readonly Telemetry[]
}

function describe({ name, executionMs, series, samples, stores, children }: OperatorAnalysis): Telemetry {
  return {
    name,
    executionTime: duration(executionMs),
    series,
    totalSamples: samples,
    ...(stores && stores.length > 0 && { fanout: stores.map(describeStore) }),
    ...(children.length > 0 && { children: children.map(describe) }),
  }
}

function describeStore({ address, durationMs, responses, series, chunks, bytes }: StoreRead): object {
  const counts = { bytesProcessed: bytes, numResponses: responses, series, chunks }
  return { endpointAddr: address, duration: duration(durationMs), ...counts }
}

/** Microseconds, milliseconds or seconds, as Go writes durations. */
function duration(durationMs: number): string {
  if (durationMs < 1) return `${Math.round(durationMs * 1000)}µs`
  return durationMs < 1000 ? `${Number(durationMs.toFixed(3))}ms` : `${Number((durationMs / 1000).toFixed(6))}s`
}
