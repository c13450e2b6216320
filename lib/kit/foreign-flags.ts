// Flags of Thanos that mean nothing here, or that are refused: whoever changes an image's name keeps the command line, and is
// told what does not hold any more. An ignored flag changes no answer; one that would is refused in one line.
// Owns the two kinds; which flags they are stands in each service's config.
import { MnemoError } from './errors.ts'
import { boolFlag, type Flag, type FlagSpec, stringFlag } from './flags.ts'
import type { Logger } from './log.ts'

/** Undefined where the flag is not given. */
export interface IgnoredFlag extends Flag<string | undefined> {
  readonly ignoredBecause: string
}

interface Kind {
  /** --name and --no-name, without a value. */
  readonly isSwitch?: boolean
}

/** A flag that is taken, with a line in the log that says why it has no effect. */
export function ignoredFlag(name: string, because: string, { isSwitch = false }: Kind = {}): IgnoredFlag {
  return { ...hidden(name, because, isSwitch), isRepeated: true, parse: lastOf, ignoredBecause: because }
}

/**
 * A flag that ends the start, but for the values that say what is so anyhow. Throws `bad_data`, which parseFlags
 * makes a `config` error that names the flag.
 */
export function refusedFlag(
  name: string,
  because: string,
  { accepted, ...kind }: Kind & { readonly accepted: readonly string[] },
): Flag<string | undefined> {
  return {
    ...hidden(name, because, kind.isSwitch ?? false),
    isRepeated: true,
    parse(texts) {
      for (const text of texts) if (!accepted.includes(text)) throw new MnemoError('bad_data', because)
      return lastOf(texts)
    },
  }
}

function hidden(name: string, help: string, isSwitch: boolean): Omit<Flag<unknown>, 'parse'> {
  return isSwitch ? boolFlag(name, { help, hidden: true }) : stringFlag(name, { help, hidden: true })
}

function lastOf(texts: readonly string[]): string | undefined {
  return texts.at(-1)
}

/** A line for each ignored flag that was given. */
export function warnOfIgnored(flags: FlagSpec, values: Readonly<Record<string, unknown>>, logger: Logger): void {
  for (const [key, flag] of Object.entries(flags))
    if ('ignoredBecause' in flag && values[key] !== undefined)
      logger.warn(`--${flag.name} has no effect: ${String(flag.ignoredBecause)}`)
}

const go = "it is about Go's runtime"

/** Those that every service of Thanos has. */
export const commonForeignFlags = {
  thanosTracing: ignoredFlag('tracing.config', 'traces are not written'),
  thanosTracingFile: ignoredFlag('tracing.config-file', 'traces are not written'),
  thanosMemoryLimit: ignoredFlag('enable-auto-gomemlimit', go, { isSwitch: true }),
  thanosMemoryRatio: ignoredFlag('auto-gomemlimit.ratio', go),
  thanosDebugName: ignoredFlag('debug.name', 'log lines carry no name of the process'),
}
