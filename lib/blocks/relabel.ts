// Sharding by external labels: the selector relabel configuration of store and compactor.
// Specification: Prometheus's relabel_config, of which Thanos allows keep, drop and hashmod here.
// Owns what a block shows to the rules; the flags are selector-flags.ts's, the rules themselves lib/labels/relabel.ts's.
import type { FlagValues } from '../kit/flags.ts'
import { type Labels, withoutLabels } from '../labels/labels.ts'
import { compileRelabel, parseRelabelConfig, type RelabelRule } from '../labels/relabel.ts'
import type { MetaFilter } from './fetcher.ts'
import { readSelectorText, type selectorFlags, selectorsName, wrongSelector } from './selector-flags.ts'

/** The rules of the selector flags; none: no rules. Throws `config`. */
export function readSelectorRules(values: FlagValues<typeof selectorFlags>): RelabelRule[] {
  const text = readSelectorText(values)
  try {
    return text === undefined ? [] : parseRelabelRules(text)
  } catch (cause) {
    const file = values.selectorRelabelConfigFile
    throw file ? wrongSelector(`--selector.relabel-config-file=${file}`, cause) : cause
  }
}

/** The rules of a YAML text. Throws `config`, naming what is wrong. */
export function parseRelabelRules(yamlText: string): RelabelRule[] {
  return parseRelabelConfig(yamlText, { what: selectorsName, allowed: ['keep', 'drop', 'hashmod'] })
}

/** A label that rules may select by: the block's ULID. */
const blockIdLabel = '__block_id'

/** Keeps the blocks that the rules keep. Labels in `without` (deduplication's) are not seen, else shards would split replicas. */
export function relabelFilter(rules: readonly RelabelRule[], without: readonly string[] = []): MetaFilter {
  const hidden = new Set(without)
  const relabel = compileRelabel(rules)
  return {
    apply({ metas, exclude }) {
      if (rules.length === 0) return
      for (const [ulid, { thanos }] of metas) {
        const labels = [blockIdLabel, ulid, ...withoutLabels(thanos.labels, hidden)]
        if (!relabel(labels)) exclude(ulid, 'label-excluded')
      }
    },
  }
}

const compiled = new WeakMap<readonly RelabelRule[], (labels: Labels) => Labels | undefined>()

/** Whether the rules keep a label set, whose names may come in any order. */
export function keepsLabels(labels: Labels, rules: readonly RelabelRule[]): boolean {
  const relabel = compiled.get(rules) ?? compileRelabel(rules)
  compiled.set(rules, relabel)
  return relabel(labels) !== undefined
}
