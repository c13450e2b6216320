// Relabelling: rules that change, keep or drop a label set, in order.
// Specification: Prometheus 3.14, model/relabel (relabel, Config.Validate), names in UTF-8.
// Owns the rules, from YAML to what they do; a rule that is wrong is told by its number.
import { createHash } from 'node:crypto'
import { parse } from 'yaml'
import { MnemoError } from '../kit/errors.ts'
import { type Labels, labelsOf } from './labels.ts'
import { compileRegex, type StringPredicate } from './regex.ts'
import { compileAnchored, compileTemplate, expandMatch, type Template } from './regex-template.ts'

const actions = [
  ...['replace', 'keep', 'drop', 'keepequal', 'dropequal', 'hashmod', 'labelmap', 'labeldrop', 'labelkeep'],
  ...['lowercase', 'uppercase'],
] as const
export type RelabelAction =
  | 'replace'
  | 'keep'
  | 'drop'
  | 'keepequal'
  | 'dropequal'
  | 'hashmod'
  | 'labelmap'
  | 'labeldrop'
  | 'labelkeep'
  | 'lowercase'
  | 'uppercase'

/** A rule as it was written, its defaults filled in. */
export interface RelabelRule {
  readonly action: RelabelAction
  readonly sourceLabels: readonly string[]
  readonly separator: string
  readonly regex: string
  readonly modulus: bigint
  readonly targetLabel: string
  readonly replacement: string
}

const defaults = { action: 'replace', separator: ';', regex: '(.*)', replacement: '$1' } as const

export interface RelabelConfigOptions {
  /** What the rules are for: "cannot use <what>: rule 1: …". */
  readonly what: string
  /** The actions that make sense there; all, unless told. */
  readonly allowed?: readonly RelabelAction[]
}

/** The rules of a YAML text; none of an empty one. Throws `config`, naming what is wrong. */
export function parseRelabelConfig(yamlText: string, options: RelabelConfigOptions): RelabelRule[] {
  let rules: unknown
  try {
    rules = parse(yamlText, { schema: 'failsafe' })
  } catch (cause) {
    throw wrong(options.what, 'got text that is no YAML', cause)
  }
  if (rules === null || rules === '') return []
  if (!Array.isArray(rules)) throw wrong(options.what, 'got no list, want a list of rules')
  return rules.map((rule, i) => new RuleReader(rule, `rule ${i + 1}`, options).read())
}

function wrong(what: string, problem: string, cause?: unknown): MnemoError {
  return new MnemoError('config', `cannot use ${what}: ${problem}`, cause === undefined ? {} : { cause })
}

const ruleKeys = new Set(['action', 'source_labels', 'separator', 'regex', 'modulus', 'target_label', 'replacement'])
const needTarget: ReadonlySet<string> = new Set([
  ...['replace', 'hashmod', 'lowercase', 'uppercase', 'keepequal', 'dropequal'],
])
/** What a rule of the action may have besides. */
const onlyKeys = new Map([
  ['keepequal', new Set(['action', 'source_labels', 'target_label'])],
  ['dropequal', new Set(['action', 'source_labels', 'target_label'])],
  ['labeldrop', new Set(['action', 'regex'])],
  ['labelkeep', new Set(['action', 'regex'])],
])

class RuleReader {
  readonly #fields: Readonly<Record<string, unknown>>
  readonly #where: string
  readonly #options: RelabelConfigOptions

  constructor(rule: unknown, where: string, options: RelabelConfigOptions) {
    this.#where = where
    this.#options = options
    if (typeof rule !== 'object' || rule === null) this.#fail(`got ${JSON.stringify(rule)}, want a mapping`)
    this.#fields = rule as Record<string, unknown>
  }

  read(): RelabelRule {
    const rule = {
      action: this.#action(),
      sourceLabels: this.#sourceLabels(),
      separator: this.#text('separator', defaults.separator),
      regex: this.#text('regex', defaults.regex),
      modulus: this.#modulus(),
      targetLabel: this.#text('target_label', ''),
      replacement: this.#text('replacement', defaults.replacement),
    }
    this.#check(rule)
    return rule
  }

  #fail(problem: string, cause?: unknown): never {
    throw wrong(this.#options.what, `${this.#where}: ${problem}`, cause)
  }

  #text(key: string, fallback: string): string {
    const value = this.#fields[key] ?? fallback
    return typeof value === 'string' ? value : this.#fail(`${key}: got ${JSON.stringify(value)}, want text`)
  }

  #action(): RelabelAction {
    const allowed = this.#options.allowed ?? (actions as readonly RelabelAction[])
    const text = this.#text('action', defaults.action).toLowerCase()
    const list = `${allowed.slice(0, -1).join(', ')} or ${allowed.at(-1)}`
    return allowed.find((action) => action === text) ?? this.#fail(`got action ${text}, want ${list}`)
  }

  #sourceLabels(): string[] {
    const value = this.#fields.source_labels ?? ''
    if (value === '') return []
    if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value
    return this.#fail(`source_labels: got ${JSON.stringify(value)}, want a list of names`)
  }

  #modulus(): bigint {
    const text = this.#text('modulus', '0')
    return /^\d{1,19}$/.test(text) ? BigInt(text) : this.#fail(`modulus: got ${text}, want a whole number`)
  }

  #check({ action, modulus, targetLabel, regex }: RelabelRule): void {
    const keys = Object.keys(this.#fields)
    const unknown = keys.find((key) => !ruleKeys.has(key))
    if (unknown !== undefined) this.#fail(`got unknown key ${unknown}`)
    if (action === 'hashmod' && (modulus === 0n || targetLabel === ''))
      this.#fail(`got hashmod of modulus ${modulus} to "${targetLabel}", want both modulus and target_label`)
    if (needTarget.has(action) && targetLabel === '') this.#fail(`got ${action} without target_label`)
    const extra = keys.find((key) => onlyKeys.get(action)?.has(key) === false)
    if (extra !== undefined) this.#fail(`got ${extra}, which ${action} does not take`)
    try {
      compileRegex(regex)
      compileAnchored(regex)
    } catch (cause) {
      this.#fail(`got regex ${regex}`, cause)
    }
  }
}

/** The rules as a function: the label set that they make of one, whose names may come in any order; undefined where they drop it. */
export function compileRelabel(rules: readonly RelabelRule[]): (labels: Labels) => Labels | undefined {
  const steps = rules.map(compileRule)
  return (labels) => {
    const values = new Map<string, string>()
    for (let i = 0; i < labels.length; i += 2) values.set(labels[i]!, labels[i + 1]!)
    return steps.every((step) => step(values)) ? labelsOf(values) : undefined
  }
}

/** Changes the labels; false drops them. */
type Step = (labels: Map<string, string>) => boolean

function compileRule(rule: RelabelRule): Step {
  const matches = compileRegex(rule.regex)
  const { targetLabel } = rule
  const sourceOf = (labels: ReadonlyMap<string, string>) =>
    rule.sourceLabels.map((name) => labels.get(name) ?? '').join(rule.separator)
  const setting = (value: (text: string) => string): Step => {
    return (labels) => {
      set(labels, targetLabel, value(sourceOf(labels)))
      return true
    }
  }
  switch (rule.action) {
    case 'keep':
      return (labels) => matches(sourceOf(labels))
    case 'drop':
      return (labels) => !matches(sourceOf(labels))
    case 'keepequal':
      return (labels) => (labels.get(targetLabel) ?? '') === sourceOf(labels)
    case 'dropequal':
      return (labels) => (labels.get(targetLabel) ?? '') !== sourceOf(labels)
    case 'replace':
      return compileReplace(rule, sourceOf)
    case 'lowercase':
      return setting((text) => text.toLowerCase())
    case 'uppercase':
      return setting((text) => text.toUpperCase())
    case 'hashmod':
      return setting((text) => hashModulo(text, rule.modulus))
    case 'labelmap':
      return compileLabelMap(rule, matches)
    case 'labeldrop':
      return removing((name) => matches(name))
    case 'labelkeep':
      return removing((name) => !matches(name))
    default:
      return rule.action satisfies never
  }
}

function set(labels: Map<string, string>, name: string, value: string): void {
  if (value === '') labels.delete(name)
  else labels.set(name, value)
}

function compileReplace(rule: RelabelRule, sourceOf: (labels: ReadonlyMap<string, string>) => string): Step {
  const regex = compileAnchored(rule.regex)
  const templates: readonly Template[] = [compileTemplate(rule.targetLabel), compileTemplate(rule.replacement)]
  return (labels) => {
    const [target = '', value = ''] = expandMatch(regex, templates, sourceOf(labels)) ?? []
    if (target !== '') set(labels, target, value)
    return true
  }
}

function compileLabelMap(rule: RelabelRule, matches: StringPredicate): Step {
  const regex = compileAnchored(rule.regex)
  const templates = [compileTemplate(rule.replacement)]
  return (labels) => {
    for (const [name, value] of [...labels]) {
      const [mapped = ''] = matches(name) ? (expandMatch(regex, templates, name) ?? []) : []
      if (mapped !== '') set(labels, mapped, value)
    }
    return true
  }
}

function removing(isRemoved: StringPredicate): Step {
  return (labels) => {
    for (const name of [...labels.keys()]) if (isRemoved(name)) labels.delete(name)
    return true
  }
}

// The last eight bytes of the MD5 sum, as Prometheus takes them.
function hashModulo(value: string, modulus: bigint): string {
  const sum = createHash('md5').update(value).digest()
  return String(sum.readBigUInt64BE(8) % modulus)
}
