// What `tools bucket rewrite` is to delete and to relabel, and how the new block's meta.json tells of it.
// Specification: Thanos pkg/block/metadata (DeletionRequest, Rewrite); matchers are PromQL selectors, times milliseconds.
// Owns both spellings: YAML in, JSON out.
import { parse } from 'yaml'
import type { JsonObject, JsonValue } from '../../lib/blocks/go-json.ts'
import type { BlockRewrite, DeletionRequest } from '../../lib/compact/rewrite.ts'
import { describeError, MnemoError } from '../../lib/kit/errors.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import type { RelabelRule } from '../../lib/labels/relabel.ts'
import { parseSelector } from '../../lib/promql/parse/parser.ts'
import type { Interval } from '../../lib/tsdb/tombstones.ts'

/** The requests of a YAML text: a list of matchers, and of intervals where only a part is to go. Throws `config`. */
export function parseDeletions(yamlText: string): DeletionRequest[] {
  let requests: unknown
  try {
    requests = parse(yamlText, { schema: 'failsafe' })
  } catch (cause) {
    throw wrong('got text that is no YAML', cause)
  }
  if (requests === null || requests === '') return []
  if (!Array.isArray(requests)) throw wrong('got no list, want a list of requests')
  return requests.map((request: unknown, i) => parseRequest(request, `request ${i + 1}`))
}

function parseRequest(request: unknown, where: string): DeletionRequest {
  const { matchers, intervals = [], request_id: requestId = '', ...others } = mappingOf(request, where)
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw wrong(`${where}: got unknown key ${unknown}`)
  if (typeof matchers !== 'string' || matchers === '')
    throw wrong(`${where}: got no matchers, want a selector such as '{__name__="up", job="a"}'`)
  if (!Array.isArray(intervals)) throw wrong(`${where}: intervals: want a list`)
  if (typeof requestId !== 'string') throw wrong(`${where}: request_id: want text`)
  return {
    matchers: parseMatchers(matchers, where),
    intervals: intervals.map((interval: unknown) => parseInterval(interval, where)),
    requestId,
  }
}

function mappingOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw wrong(`${where}: got ${JSON.stringify(value)}, want a mapping`)
}

function parseMatchers(text: string, where: string): readonly LabelMatcher[] {
  try {
    return parseSelector(text)
  } catch (cause) {
    throw wrong(`${where}: matchers ${text}: ${describeError(cause)}`)
  }
}

function parseInterval(interval: unknown, where: string): Interval {
  const { mint, maxt, ...others } = mappingOf(interval, `${where}: intervals`)
  const [minTime, maxTime] = [mint, maxt].map((time) => {
    const value = typeof time === 'string' && /^-?\d+$/.test(time) ? Number(time) : Number.NaN
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
  }) as [number, number]
  if (Object.keys(others).length > 0 || Number.isNaN(minTime) || Number.isNaN(maxTime) || maxTime < minTime)
    throw wrong(`${where}: got an interval ${JSON.stringify(interval)}, want mint and maxt in ms, ascending`)
  return { minTime, maxTime }
}

function wrong(problem: string, cause?: unknown): MnemoError {
  const message = `cannot use the deletion configuration: ${problem}`
  return new MnemoError('config', message, cause === undefined ? {} : { cause })
}

const matchTypes = ['=', '!=', '=~', '!~'] as const

/** The entry of meta.json's `rewrites`. */
export function rewriteEntry(sources: readonly string[], { deletions, relabels }: BlockRewrite): JsonValue {
  return object({
    sources: nonEmpty(sources),
    deletions_applied: nonEmpty(deletions.map(deletionEntry)),
    relabels_applied: nonEmpty(relabels.map(relabelEntry)),
  })
}

function deletionEntry({ matchers, intervals, requestId }: DeletionRequest): JsonValue {
  return object({
    matchers: matchers.map(({ type, name, value }) =>
      object({ Type: matchTypes.indexOf(type), Name: name, Value: value }),
    ),
    intervals: nonEmpty(intervals.map(({ minTime, maxTime }) => object({ Mint: minTime, Maxt: maxTime }))),
    request_id: requestId || undefined,
  })
}

function relabelEntry(rule: RelabelRule): JsonValue {
  return object({
    source_labels: nonEmpty(rule.sourceLabels),
    separator: rule.separator || undefined,
    regex: rule.regex,
    modulus: Number(rule.modulus) || undefined,
    target_label: rule.targetLabel || undefined,
    replacement: rule.replacement,
    action: rule.action,
  })
}

function nonEmpty<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length > 0 ? items : undefined
}

function object(fields: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return new Map(Object.entries(fields).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined))
}
