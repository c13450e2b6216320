// The flags by which a service selects blocks by their external labels, and their text.
// Specification: Thanos cmd/thanos (selector.relabel-config).
// Owns the flags alone: who is given none need not load what compiles rules (relabel.ts).
import { readFileSync } from 'node:fs'
import { MnemoError } from '../kit/errors.ts'
import { type FlagValues, stringFlag } from '../kit/flags.ts'

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

/** The YAML text of the selector flags; undefined where neither is given. Throws `config`. */
export function readSelectorText(values: FlagValues<typeof selectorFlags>): string | undefined {
  const inline = values.selectorRelabelConfig || undefined
  const file = values.selectorRelabelConfigFile || undefined
  if (inline !== undefined && file !== undefined)
    throw wrongSelector('got both --selector.relabel-config and --selector.relabel-config-file, want one of them')
  if (file === undefined) return inline
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw wrongSelector(`--selector.relabel-config-file=${file}`, cause)
  }
}

/** For messages. */
export const selectorsName = 'the selector relabel configuration'

/** A `config` error. */
export function wrongSelector(problem: string, cause?: unknown): MnemoError {
  const message = `cannot use ${selectorsName}: ${problem}`
  return new MnemoError('config', message, cause === undefined ? {} : { cause })
}
