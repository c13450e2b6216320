// From parameters to requests: what a query or a look-up asks for, checked in Prometheus's order, with its messages.
// Specification: Prometheus 3.14, web/api/v1/api.go; dedup, replicaLabels[], partial_response, max_source_resolution and storeMatch[]
// are Thanos's (pkg/api/query/v1.go). Owns the defaults.
import { MnemoError } from '../../../lib/kit/errors.ts'
import { isBounded } from '../../../lib/labels/bounded-selector.ts'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import { quoteGo } from '../../../lib/promql/functions/go-format.ts'
import { type Expr, valueType } from '../../../lib/promql/parse/ast.ts'
import { describeType } from '../../../lib/promql/parse/check.ts'
import { parseExpr, parseSelector } from '../../../lib/promql/parse/parser.ts'
import type { ParseOptions } from '../../../lib/promql/parse/token-stream.ts'
import { type DurationTimes, resolveDurations } from '../../../lib/promql/plan/durations.ts'
import type { LookupRequest, QueryRequest, RequestScope } from './backend.ts'
import { inParameter, type Params, parseBool, parseDurationNs, parseLimit, parseTimeMs } from './params.ts'

export interface RequestDefaults {
  readonly replicaLabels: readonly string[]
  readonly partialResponse: boolean
  /** Whether downsampled data may answer where no max_source_resolution is given. */
  readonly autoDownsampling?: boolean
  /** What `auto` means for an instant query; an hour unless told. */
  readonly instantMaxSourceResolutionMs?: number
  /** How far back look-ups go where no start is given; 0 or absent: since the beginning. */
  readonly metadataRangeMs?: number
  /** Syntax behind feature flags; none unless told. */
  readonly syntax?: ParseOptions
}

/** What a look-up found, and how many of it are to be shown. */
export interface CountedLookup {
  readonly request: LookupRequest
  /** 0: all. */
  readonly limit: number
}

const bad = (message: string) => new MnemoError('bad_data', message)

export class RequestReader {
  readonly #defaults: RequestDefaults
  readonly #now: () => number

  constructor(defaults: RequestDefaults, now: () => number) {
    this.#defaults = defaults
    this.#now = now
  }

  /** The expression of a `query` parameter. Throws `bad_data`: `invalid parameter "query": 1:5: parse error: …`. */
  expr(params: Params): Expr {
    return inParameter('query', () => parseExpr(params.get('query'), this.#defaults.syntax))
  }

  instant(params: Params): QueryRequest {
    const limit = inParameter('limit', () => parseLimit(params.get('limit')))
    const timeMs = timeParameter(params, 'time', this.#now())
    const timing = timingOf(params)
    const scope = this.#scope(params)
    const maxSourceResolutionMs = this.#maxSourceResolutionMs(
      params,
      this.#defaults.instantMaxSourceResolutionMs ?? 3_600_000,
    )
    const query = params.get('query')
    checkDurations(this.expr(params), { query, stepMs: 0, rangeMs: 0 })
    return { scope, query, startMs: timeMs, endMs: timeMs, stepMs: 0, ...timing, maxSourceResolutionMs, limit }
  }

  range(params: Params): QueryRequest {
    const limit = inParameter('limit', () => parseLimit(params.get('limit')))
    const startMs = inParameter('start', () => parseTimeMs(params.get('start')))
    const endMs = inParameter('end', () => parseTimeMs(params.get('end')))
    if (endMs < startMs) inParameter('end', () => fail('end timestamp must not be before start time'))
    const stepNs = inParameter('step', () => positive(parseDurationNs(params.get('step'))))
    if (Math.trunc(((endMs - startMs) * 1e6) / stepNs) > maxPoints)
      throw bad(
        'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
      )
    // Times are milliseconds: a step below one would never end.
    const stepMs = inParameter('step', () => positive(Math.trunc(stepNs / 1e6)))
    const timing = timingOf(params)
    const scope = this.#scope(params)
    // At least five samples between two steps.
    const maxSourceResolutionMs = this.#maxSourceResolutionMs(params, Math.floor(stepMs / 5))
    const expr = this.expr(params)
    const type = valueType(expr)
    if (type !== 'scalar' && type !== 'vector') inParameter('query', () => fail(notForRange(describeType(type))))
    const query = params.get('query')
    checkDurations(expr, { query, stepMs, rangeMs: endMs - startMs })
    return { scope, query, startMs, endMs, stepMs, ...timing, maxSourceResolutionMs, limit }
  }

  /** Of labels and label values, whose matchers are optional. */
  labels(params: Params): CountedLookup {
    return this.#lookup(params, () => matcherSetsOf(params))
  }

  /** Of series, which wants matchers. */
  series(params: Params): CountedLookup {
    if (params.all('match[]').length === 0) throw bad('no match[] parameter provided')
    return this.#lookup(params, () => inParameter('match[]', () => matcherSetsOf(params)))
  }

  #lookup(params: Params, readMatchers: () => LabelMatcher[][]): CountedLookup {
    const limit = inParameter('limit', () => parseLimit(params.get('limit')))
    const { metadataRangeMs = 0 } = this.#defaults
    const now = this.#now()
    const bounded = metadataRangeMs > 0
    const minTime = timeParameter(params, 'start', bounded ? now - metadataRangeMs : -Number.MAX_SAFE_INTEGER)
    const maxTime = timeParameter(params, 'end', bounded ? now : Number.MAX_SAFE_INTEGER)
    if (maxTime < minTime) throw bad('end timestamp must not be before start time')
    const matcherSets = readMatchers()
    const scope = this.#scope(params)
    return { request: { scope, matcherSets, minTime, maxTime, limit: limit === 0 ? 0 : limit + 1 }, limit }
  }

  #scope(params: Params): RequestScope {
    const dedup = parseBool(params, 'dedup', true)
    const asked = params.all('replicaLabels[]')
    const replicaLabels = asked.length > 0 ? asked : this.#defaults.replicaLabels
    const storeMatchers = params.all('storeMatch[]').map(parseSelector)
    const partialResponse = parseBool(params, 'partial_response', this.#defaults.partialResponse)
    return { replicaLabels: dedup ? replicaLabels : [], partialResponse, storeMatchers }
  }

  #maxSourceResolutionMs(params: Params, automaticMs: number): number {
    const text = params.get('max_source_resolution')
    if (text === '' || text === 'auto') return text === 'auto' || this.#defaults.autoDownsampling ? automaticMs : 0
    const resolutionNs = prefixed("'max_source_resolution' parameter", () => parseDurationNs(text))
    if (resolutionNs < 0) throw bad(`negative 'max_source_resolution' is not accepted. Try a positive integer`)
    return Math.trunc(resolutionNs / 1e6)
  }
}

const maxPoints = 11_000

function notForRange(type: string): string {
  return `invalid expression type ${quoteGo(type)} for range query, must be Scalar or instant Vector`
}

/** Throws `bad_data` for durations that the query's times make wrong. */
function checkDurations(expr: Expr, times: DurationTimes): void {
  inParameter('query', () => resolveDurations(expr, times))
}

function fail(message: string): never {
  throw bad(message)
}

function prefixed<T>(prefix: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof MnemoError)) throw error
    throw new MnemoError('bad_data', `${prefix}: ${error.message}`, { cause: error })
  }
}

/** A time in ms, `byDefault` where the parameter is empty. Throws `bad_data` that names it. */
export function timeParameter(params: Params, name: string, byDefault: number): number {
  const text = params.get(name)
  if (text === '') return byDefault
  return inParameter(name, () => prefixed(`invalid time value for '${name}'`, () => parseTimeMs(text)))
}

function positive(step: number): number {
  if (step > 0) return step
  return fail('zero or negative query resolution step widths are not accepted. Try a positive integer')
}

function timingOf(params: Params): Pick<QueryRequest, 'timeoutMs' | 'lookbackMs'> {
  const timeout = params.get('timeout')
  const lookback = params.get('lookback_delta')
  const timeoutNs = timeout === '' ? undefined : inParameter('timeout', () => parseDurationNs(timeout))
  const lookbackNs =
    lookback === '' ? 0 : prefixed('error parsing lookback delta duration', () => parseDurationNs(lookback))
  return {
    ...(timeoutNs !== undefined && { timeoutMs: Math.max(0, timeoutNs / 1e6) }),
    ...(lookbackNs > 0 && { lookbackMs: Math.trunc(lookbackNs / 1e6) }),
  }
}

/** The match[] parameters, each of which must match something other than the empty string. Throws `bad_data`. */
export function matcherSetsOf(params: Params): LabelMatcher[][] {
  const sets = params.all('match[]').map((text) => [...parseSelector(text)])
  for (const set of sets) if (!isBounded(set)) throw bad('match[] must contain at least one non-empty matcher')
  return sets
}
