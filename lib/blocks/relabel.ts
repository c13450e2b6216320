// Sharding by external labels: the selector relabel configuration of store and compactor.
// Specification: Prometheus's relabel_config, of which Thanos allows keep, drop and hashmod here.
// Owns the flags and what a block shows to the rules; the rules themselves are lib/labels/relabel.ts.
import { readFileSync } from 'node:fs'
import { MnemoError } from '../kit/errors.ts'
import { type FlagValues, stringFlag } from '../kit/flags.ts'
import { type Labels, withoutLabels } from '../labels/labels.ts'
import { compileRelabel, parseRelabelConfig, type RelabelRule } from '../labels/relabel.ts'
import type { MetaFilter } from './fetcher.ts'

export const selectorFlags = {
  selectorRelabelConfig: stringFlag('selector.relabel-config', {
    help:
      "Alternative to 'selector.relabel-config-file' flag (mutually exclusive). Content of YAML file with relabeling " +
      'configuration that allows selecting blocks to act on based on their external labels. It follows thanos ' +
      'sharding relabel-config syntax. For format details see: ' +
      'https://thanos.io/tip/thanos/sharding.md/#relabelling',
  }),
  selectorRelabelConfigFile: stringFlag('selector.relabel-config-file', {
    help: 'Path to YAML file with relabeling configuration that allows selecting blocks to act on.',
  }),
}

/** The rules of the selector flags; none: no rules. Throws `config`. */
export function readSelectorRules(values: FlagValues<typeof selectorFlags>): RelabelRule[] {
  const text = readSelectorText(values)
  try {
    return text === undefined ? [] : parseRelabelRules(text)
  } catch (cause) {
    const file = values.selectorRelabelConfigFile
    throw file ? wrong(`--selector.relabel-config-file=${file}`, cause) : cause
  }
}

/** The YAML text of the selector flags; undefined where neither is given. Throws `config`. */
export function readSelectorText(values: FlagValues<typeof selectorFlags>): string | undefined {
  const inline = values.selectorRelabelConfig || undefined
  const file = values.selectorRelabelConfigFile || undefined
  if (inline !== undefined && file !== undefined)
    throw wrong('got both --selector.relabel-config and --selector.relabel-config-file, want one of them')
  if (file === undefined) return inline
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw wrong(`--selector.relabel-config-file=${file}`, cause)
  }
}

/** The rules of a YAML text. Throws `config`, naming what is wrong. */
export function parseRelabelRules(yamlText: string): RelabelRule[] {
  return parseRelabelConfig(yamlText, { what, allowed: ['keep', 'drop', 'hashmod'] })
}

const what = 'the selector relabel configuration'

function wrong(problem: string, cause?: unknown): MnemoError {
  const message = `cannot use ${what}: ${problem}`
  return new MnemoError('config', message, cause === undefined ? {} : { cause })
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
