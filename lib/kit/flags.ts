// Command line flags as Thanos's users write them: --flag=value, --flag value, --switch, --no-switch, -s, repeated flags, --help.
// Behaves like kingpin, which Thanos uses; a wrong flag is one `config` error that names it.
// Owns the parsers of single values; what flags a service has stands in its config.ts.
import { parseDurationMs } from './duration.ts'
import { MnemoError } from './errors.ts'

/** One flag: how it is called, what it says of itself, and how its texts become a value. */
export interface Flag<T> {
  readonly name: string
  /** A single letter that stands for the name: -o. */
  readonly short: string | undefined
  readonly help: string
  readonly isSwitch: boolean
  readonly isRepeated: boolean
  readonly isRequired: boolean
  readonly isHidden: boolean
  /** It has no name on the command line: what is no flag belongs to it. */
  readonly isPositional: boolean
  /** The default as a user would write it; none: undefined. */
  readonly defaultText: string | undefined
  /** The value of the texts given on the command line (none: the default). Throws where a text is ill-formed. */
  parse(texts: readonly string[]): T
}

export type FlagSpec = Readonly<Record<string, Flag<unknown>>>
export type FlagValues<S extends FlagSpec> = { readonly [K in keyof S]: S[K] extends Flag<infer T> ? T : never }

export interface FlagOptions {
  readonly help: string
  /** As a user would write it. */
  readonly default?: string | number
  readonly required?: boolean
  /** A single letter that stands for the name: `-o wide`. */
  readonly short?: string
  /** May be given several times: the value is an array, empty where it is not given. */
  readonly repeated?: boolean
  /** Accepted, but left out of --help. */
  readonly hidden?: boolean
  /** What stands on the command line without a name: `tsdb dump PATH`. */
  readonly positional?: boolean
}

type ValueOf<O, T> = O extends { repeated: true }
  ? readonly T[]
  : O extends { default: string | number } | { required: true }
    ? T
    : T | undefined

function valueFlag<T, O extends FlagOptions>(name: string, options: O, one: (text: string) => T): Flag<ValueOf<O, T>> {
  const defaultText = options.default === undefined ? undefined : String(options.default)
  return {
    name,
    short: options.short,
    help: options.help,
    isSwitch: false,
    isRepeated: options.repeated === true,
    isRequired: options.required === true,
    isHidden: options.hidden === true,
    isPositional: options.positional === true,
    defaultText,
    parse(texts) {
      const given = texts.length > 0 || defaultText === undefined ? texts : [defaultText]
      const values = given.map(one)
      return (options.repeated === true ? values : values[0]) as ValueOf<O, T>
    },
  }
}

/** Text as it stands. */
export function stringFlag<const O extends FlagOptions>(name: string, options: O): Flag<ValueOf<O, string>> {
  return valueFlag(name, options, (text) => text)
}

/** Text that may be given several times. */
export function stringsFlag(name: string, options: Omit<FlagOptions, 'repeated'>): Flag<readonly string[]> {
  return valueFlag(name, { ...options, repeated: true as const }, (text) => text)
}

/** A whole number. */
export function intFlag<const O extends FlagOptions>(name: string, options: O): Flag<ValueOf<O, number>> {
  return valueFlag(name, options, (text) => {
    const value = Number(text)
    if (!/^[-+]?\d+$/.test(text) || !Number.isSafeInteger(value)) throw wants('a whole number')
    return value
  })
}

export function floatFlag<const O extends FlagOptions>(name: string, options: O): Flag<ValueOf<O, number>> {
  return valueFlag(name, options, (text) => {
    const value = Number(text)
    if (text.trim() === '' || Number.isNaN(value)) throw wants('a number')
    return value
  })
}

/** A duration in Go's or Prometheus's spelling; a number as default is milliseconds. The value is milliseconds. */
export function durationFlag<const O extends FlagOptions>(name: string, options: O): Flag<ValueOf<O, number>> {
  const spelled = typeof options.default === 'number' ? { ...options, default: `${options.default}ms` } : options
  return valueFlag(name, spelled, parseDurationMs) as Flag<ValueOf<O, number>>
}

/** A size: 250MB, 1GiB, 4096. Every unit is a power of 1024, as in Thanos. The value is bytes. */
export function bytesFlag<const O extends FlagOptions>(name: string, options: O): Flag<ValueOf<O, number>> {
  return valueFlag(name, options, (text) => {
    const match = /^(\d+(?:\.\d+)?)(?:([KMGTPE])?i?B)?$/i.exec(text)
    if (!match) throw wants('a size such as 250MB or 1GiB')
    const power = match[2] === undefined ? 0 : 'KMGTPE'.indexOf(match[2].toUpperCase()) + 1
    return Math.floor(Number(match[1]) * 1024 ** power)
  })
}

/** One of a few words. */
export function enumFlag<const V extends string, const O extends FlagOptions>(
  name: string,
  values: readonly V[],
  options: O,
): Flag<ValueOf<O, V>> {
  return valueFlag(name, options, (text) => {
    const value = values.find((known) => known === text)
    if (value === undefined) throw wants(`one of ${values.map((known) => known || '""').join(', ')}`)
    return value
  })
}

/** A point in time, fixed or relative to now. */
export interface TimeOrDuration {
  readonly text: string
  /** Milliseconds since the epoch, given the present. */
  resolveMs(nowMs: number): number
}

/** RFC 3339, unix seconds, or a duration that is added to now (-2w). */
export function timeFlag<const O extends FlagOptions>(name: string, options: O): Flag<ValueOf<O, TimeOrDuration>> {
  return valueFlag(name, options, parseTimeOrDuration)
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[-+]\d\d:\d\d)$/

/** The value of a time flag; throws `bad_data`. */
export function parseTimeOrDuration(text: string): TimeOrDuration {
  if (rfc3339.test(text)) {
    const ms = Date.parse(text)
    if (Number.isNaN(ms)) throw wants('a time that exists')
    return { text, resolveMs: () => ms }
  }
  if (/^\d+(?:\.\d+)?$/.test(text) && text !== '0') {
    const ms = Math.round(Number(text) * 1000)
    return { text, resolveMs: () => ms }
  }
  const sign = text.startsWith('-') ? -1 : 1
  const durationMs = sign * durationOfTime(text.replace(/^[-+]/, ''))
  return { text, resolveMs: (nowMs) => nowMs + durationMs }
}

function durationOfTime(text: string): number {
  try {
    return parseDurationMs(text)
  } catch {
    throw wants('a time such as 2026-01-02T15:04:05Z, or a duration from now such as -2w')
  }
}

/** `--name`, `--no-name`, `--name=false`. */
export function boolFlag(
  name: string,
  options: { readonly help: string; readonly default?: boolean; readonly short?: string; readonly hidden?: boolean },
): Flag<boolean> {
  return {
    name,
    short: options.short,
    help: options.help,
    isSwitch: true,
    isRepeated: false,
    isRequired: false,
    isHidden: options.hidden === true,
    isPositional: false,
    defaultText: options.default === true ? 'true' : undefined,
    parse(texts) {
      const text = texts[0]
      if (text === undefined) return options.default === true
      if (!/^(?:true|false|1|0)$/.test(text)) throw wants('true or false')
      return text === 'true' || text === '1'
    },
  }
}

function wants(want: string): MnemoError {
  return new MnemoError('bad_data', `want ${want}`)
}

/**
 * The values of a service's flags. Prints usage and ends the process with status 0 on --help;
 * throws `config` with one line for a flag that is unknown, ill-formed, missing or given twice.
 */
export function parseFlags<S extends FlagSpec>(
  service: string,
  summary: string,
  flags: S,
  argv: readonly string[],
): FlagValues<S> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(formatHelp(service, summary, flags))
    process.exit(0)
  }
  const given = collect(service, flags, argv)
  const values: Record<string, unknown> = {}
  for (const [key, flag] of Object.entries(flags)) {
    const texts = given.get(flag) ?? []
    if (flag.isRequired && texts.length === 0) throw wrong(service, `flag --${flag.name} is missing`)
    try {
      values[key] = flag.parse(texts)
    } catch (error) {
      throw wrong(service, `flag --${flag.name}: got "${texts.join('", "')}"`, error)
    }
  }
  return values as FlagValues<S>
}

function collect(service: string, flags: FlagSpec, argv: readonly string[]): Map<Flag<unknown>, string[]> {
  const named = Object.values(flags).filter(({ isPositional }) => !isPositional)
  const byName = new Map(named.map((flag) => [flag.name, flag]))
  const given = new Map<Flag<unknown>, string[]>()
  for (let i = 0; i < argv.length; i++) {
    const argument = longForm(argv[i]!, flags)
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(argument)
    if (!match) {
      give(given, positional(service, flags, argument), { service, text: argument })
      continue
    }
    const [, name, inline] = match as unknown as [string, string, string | undefined]
    const negated = name.startsWith('no-') && !byName.has(name) ? byName.get(name.slice(3)) : undefined
    const flag = negated?.isSwitch ? negated : byName.get(name)
    if (!flag) throw wrong(service, `got unknown flag --${name}, want one that --help lists`)
    let text = inline
    if (negated) {
      if (text !== undefined) throw wrong(service, `flag --${name} takes no value`)
      text = 'false'
    } else if (text === undefined) {
      text = flag.isSwitch ? 'true' : argv[++i]
      if (text === undefined || text.startsWith('--')) throw wrong(service, `flag --${name} needs a value`)
    }
    give(given, flag, { service, text })
  }
  return given
}

function give(
  given: Map<Flag<unknown>, string[]>,
  flag: Flag<unknown>,
  { service, text }: { readonly service: string; readonly text: string },
): void {
  const texts = given.get(flag)
  if (texts && !flag.isRepeated) {
    const what = flag.isPositional ? `argument ${flag.name}` : `flag --${flag.name}`
    throw wrong(service, `${what} is given twice, want it once`)
  }
  if (texts) texts.push(text)
  else given.set(flag, [text])
}

function positional(service: string, flags: FlagSpec, argument: string): Flag<unknown> {
  const flag = Object.values(flags).find(({ isPositional }) => isPositional)
  if (flag && !argument.startsWith('-')) return flag
  throw wrong(service, `got argument "${argument}", want flags${flag ? ` and ${flag.name}` : ''} alone`)
}

/** `-o`, `-o=wide` and `-owide` as `--output`, `--output=wide`; anything else as it is. */
function longForm(argument: string, flags: FlagSpec): string {
  const [, letter, rest = ''] = /^-([a-zA-Z])(.*)$/s.exec(argument) ?? []
  const flag = letter === undefined ? undefined : Object.values(flags).find(({ short }) => short === letter)
  if (flag === undefined) return argument
  return `--${flag.name}${rest === '' || rest.startsWith('=') ? rest : `=${rest}`}`
}

function wrong(service: string, what: string, cause?: unknown): MnemoError {
  return new MnemoError('config', `cannot parse the flags of ${service}: ${what}`, cause === undefined ? {} : { cause })
}

/** Usage: the summary, then each flag with its default and its help. */
export function formatHelp(service: string, summary: string, flags: FlagSpec): string {
  const args = Object.values(flags).filter(({ isPositional }) => isPositional)
  const usage = [
    'usage: mnemo',
    service,
    '[<flags>]',
    ...args.map(({ name, isRepeated }) => `[<${name}>${isRepeated ? '…' : ''}]`),
  ].join(' ')
  const lines = [usage, '', summary, '', 'Flags:', '  -h, --help', '      Shows this.']
  for (const flag of Object.values(flags)) {
    if (flag.isHidden || flag.isPositional) continue
    const short = flag.short === undefined ? '' : `-${flag.short}, `
    const name = short + (flag.isSwitch ? `--[no-]${flag.name}` : `--${flag.name}`)
    const value = flag.isSwitch ? '' : `=${flag.defaultText ?? flag.name.split(/[.-]/).at(-1)?.toUpperCase()}`
    const notes = [flag.isRepeated ? ' …' : '', flag.isRequired ? ' (required)' : ''].join('')
    lines.push(`  ${name}${value}${notes}`, ...wrap(flag.help, 100).map((line) => `      ${line}`))
  }
  if (args.length > 0) lines.push('', 'Arguments:')
  for (const { name, help } of args) lines.push(`  ${name}`, ...wrap(help, 100).map((line) => `      ${line}`))
  return `${lines.join('\n')}\n`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
