// What --enable-feature turns on: Prometheus's experimental PromQL, by Prometheus's names.
// Specification: Prometheus 3.14, cmd/prometheus/main.go (--enable-feature) and docs/feature_flags.md.
// Owns the names and what each of them means to the parser and the engine.
import { MnemoError } from '../../lib/kit/errors.ts'
import type { ParseOptions } from '../../lib/promql/parse/token-stream.ts'

export interface Features extends ParseOptions {
  /** Metric names go when the query ends in place of at once. */
  readonly delayedNameRemoval?: boolean
  /** Start timestamps count in rate() and its like. */
  readonly startTimestamps?: boolean
  /** Labels tell a metric's type and unit. */
  readonly typeAndUnitLabels?: boolean
  /** Statistics of a query tell samples by step. */
  readonly perStepStats?: boolean
}

const features: Readonly<Record<string, Features>> = {
  'promql-experimental-functions': { experimentalFunctions: true },
  'promql-extended-range-selectors': { extendedRangeSelectors: true },
  'promql-binop-fill-modifiers': { fillModifiers: true },
  'promql-delayed-name-removal': { delayedNameRemoval: true },
  'use-start-timestamps': { startTimestamps: true },
  'type-and-unit-labels': { typeAndUnitLabels: true },
  'promql-per-step-stats': { perStepStats: true },
}

export const featureNames = Object.keys(features)

/** What was a feature once: in for good, or gone from Thanos without a trace in answers. */
const settled = new Set(['promql-at-modifier', 'promql-negative-offset', 'promql-duration-expr', 'query-pushdown'])

/** On without a flag since Prometheus 3.14. */
const byDefault: Features = { durationExpressions: true }

/** The features of a flag's names. Throws `config` for one that is not there. */
export function readFeatures(names: readonly string[]): Features {
  let enabled = byDefault
  for (const name of names) {
    if (settled.has(name)) continue
    if (!Object.hasOwn(features, name))
      throw new MnemoError('config', `flag --enable-feature: got "${name}", want any of ${featureNames.join(', ')}`)
    enabled = { ...enabled, ...features[name] }
  }
  return enabled
}
