// Sharding by external labels: the selector relabel configuration of store and compactor.
// Specification: Prometheus's relabel_config, of which Thanos allows keep, drop and hashmod here.
// Owns the rules' parsing and their application to a block's external labels.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { MnemoError } from '../kit/errors.ts'
import { type FlagValues, stringFlag } from '../kit/flags.ts'
import { type Labels, withoutLabels } from '../labels/labels.ts'
import { compileRegex } from '../labels/regex.ts'
import type { MetaFilter } from './fetcher.ts'
import type { BlockMeta } from './meta.ts'

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

/** One rule; the label a hashmod writes is seen by the rules after it. */
export interface RelabelRule {
  readonly action: 'keep' | 'drop' | 'hashmod'
  readonly sourceLabels: readonly string[]
  readonly separator: string
  readonly matches: (value: string) => boolean
  readonly modulus: bigint
  readonly targetLabel: string
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
  let rules: unknown
  try {
    rules = parse(yamlText, { schema: 'failsafe' })
  } catch (cause) {
    throw wrong('got text that is no YAML', cause)
  }
  if (rules === null || rules === '') return []
  if (!Array.isArray(rules)) throw wrong('got no list, want a list of rules')
  return rules.map(parseRule)
}

const ruleKeys = new Set(['action', 'source_labels', 'separator', 'regex', 'modulus', 'target_label', 'replacement'])

function parseRule(rule: unknown, index: number): RelabelRule {
  const where = `rule ${index + 1}`
  if (typeof rule !== 'object' || rule === null) throw wrong(`${where}: got ${JSON.stringify(rule)}, want a mapping`)
  const fields = rule as Record<string, unknown>
  const unknown = Object.keys(fields).find((key) => !ruleKeys.has(key))
  if (unknown !== undefined) throw wrong(`${where}: got unknown key ${unknown}`)
  const text = (key: string, fallback: string): string => {
    const value = fields[key] ?? fallback
    if (typeof value !== 'string') throw wrong(`${where}: ${key}: got ${JSON.stringify(value)}, want text`)
    return value
  }
  const action = text('action', 'replace').toLowerCase()
  if (action !== 'keep' && action !== 'drop' && action !== 'hashmod')
    throw wrong(`${where}: got action ${action}, want keep, drop or hashmod`)
  const modulus = text('modulus', '0')
  const targetLabel = text('target_label', '')
  if (action === 'hashmod' && (!/^[1-9]\d{0,18}$/.test(modulus) || targetLabel === ''))
    throw wrong(`${where}: got hashmod of modulus ${modulus} to "${targetLabel}", want both modulus and target_label`)
  return {
    action,
    sourceLabels: parseNames(fields.source_labels, where),
    separator: text('separator', ';'),
    matches: compile(text('regex', '(.*)'), where),
    modulus: action === 'hashmod' ? BigInt(modulus) : 0n,
    targetLabel,
  }
}

function parseNames(value: unknown, where: string): string[] {
  if (value === undefined || value === null || value === '') return []
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value
  throw wrong(`${where}: source_labels: got ${JSON.stringify(value)}, want a list of names`)
}

function compile(regex: string, where: string): (value: string) => boolean {
  try {
    return compileRegex(regex)
  } catch (cause) {
    throw wrong(`${where}: got regex ${regex}`, cause)
  }
}

function wrong(what: string, cause?: unknown): MnemoError {
  const message = `cannot use the selector relabel configuration: ${what}`
  return new MnemoError('config', message, cause === undefined ? {} : { cause })
}

/** A label that rules may select by: the block's ULID. */
const blockIdLabel = '__block_id'

/** Keeps the blocks that the rules keep. Labels in `without` (deduplication's) are not seen, else shards would split replicas. */
export function relabelFilter(rules: readonly RelabelRule[], without: readonly string[] = []): MetaFilter {
  const hidden = new Set(without)
  return {
    apply({ metas, exclude }) {
      if (rules.length === 0) return
      for (const [ulid, meta] of metas) if (!isKept(meta, rules, hidden)) exclude(ulid, 'label-excluded')
    },
  }
}

function isKept(meta: BlockMeta, rules: readonly RelabelRule[], hidden: ReadonlySet<string>): boolean {
  const { labels } = meta.thanos
  return keepsLabels([blockIdLabel, meta.ulid, ...withoutLabels(labels, hidden)], rules)
}

/** Whether the rules keep a label set, whose names may come in any order. */
export function keepsLabels(labels: Labels, rules: readonly RelabelRule[]): boolean {
  const values = new Map<string, string>()
  for (let i = 0; i < labels.length; i += 2) values.set(labels[i]!, labels[i + 1]!)
  for (const rule of rules) {
    const value = rule.sourceLabels.map((name) => values.get(name) ?? '').join(rule.separator)
    if (rule.action === 'hashmod') values.set(rule.targetLabel, hashModulo(value, rule.modulus))
    else if (rule.matches(value) !== (rule.action === 'keep')) return false
  }
  return true
}

// The last eight bytes of the MD5 sum, as Prometheus takes them.
function hashModulo(value: string, modulus: bigint): string {
  const sum = createHash('md5').update(value).digest()
  return String(sum.readBigUInt64BE(8) % modulus)
}
